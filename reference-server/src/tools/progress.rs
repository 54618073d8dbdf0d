//! Progress of a call, told to a client that asked for it.

use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};

/// Where to tell of progress, if anybody wants to know.
pub(super) struct Progress(Option<(Peer<RoleServer>, ProgressToken)>);

impl Progress {
    /// The progress of the request; told only if the request carries a progress token.
    pub(super) fn of(request: &RequestContext<RoleServer>) -> Self {
        let token = request.meta.get_progress_token();
        Self(token.map(|token| (request.peer.clone(), token)))
    }

    /// Tells how much is done; `done` has to be more each time.
    pub(super) async fn tell(&self, done: u64, message: String) {
        if let Some((peer, token)) = &self.0 {
            #[expect(clippy::cast_precision_loss, reason = "it is exact below 2^53")]
            let progress = ProgressNotificationParam::new(token.clone(), done as f64);
            // A client that is gone hears nothing; the call ends by its cancellation.
            let _ = peer.notify_progress(progress.with_message(message)).await;
        }
    }
}
