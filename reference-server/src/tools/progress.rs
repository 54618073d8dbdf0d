//! Progress of a call, reported to a client that requests it.

use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};

/// Where to report progress, if the client requests it.
pub(super) struct Progress(Option<(Peer<RoleServer>, ProgressToken)>);

impl Progress {
    /// The progress of the request; reported only if the request has a progress token.
    pub(super) fn of(request: &RequestContext<RoleServer>) -> Self {
        let token = request.meta.get_progress_token();
        Self(token.map(|token| (request.peer.clone(), token)))
    }

    /// Reports how much is done; `done` must increase each time.
    pub(super) async fn tell(&self, done: u64, message: String) {
        if let Some((peer, token)) = &self.0 {
            #[expect(clippy::cast_precision_loss, reason = "it is exact below 2^53")]
            let progress = ProgressNotificationParam::new(token.clone(), done as f64);
            // A disconnected client receives nothing; its call ends by cancellation.
            let _ = peer.notify_progress(progress.with_message(message)).await;
        }
    }
}
