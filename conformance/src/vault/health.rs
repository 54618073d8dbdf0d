//! Whether the Vault of a run still answers. If not, a target's answers say nothing about the target, and the report
//! has to say how Vault ended and what it logged last.

use std::{sync::Arc, time::Duration};

use tokio::{sync::OnceCell, time::sleep};

use super::{api::RootApi, binary::Remains, container};

/// How many times a Vault must fail to answer before it counts as lost.
const TRIES: usize = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// Reports whether a Vault still answers. Cloning is cheap. A lost Vault stays lost.
#[derive(Clone, Debug)]
pub struct HealthMonitor {
    api: RootApi,
    body: Body,
    lost: Arc<OnceCell<String>>,
}

#[derive(Clone, Debug)]
enum Body {
    Process(Remains),
    Container(String),
    Stranger,
}

impl HealthMonitor {
    pub(super) fn of_process(api: RootApi, remains: Remains) -> Self {
        Self::new(api, Body::Process(remains))
    }

    pub(super) fn of_container(api: RootApi, id: String) -> Self {
        Self::new(api, Body::Container(id))
    }

    pub(super) fn of_stranger(api: RootApi) -> Self {
        Self::new(api, Body::Stranger)
    }

    fn new(api: RootApi, body: Body) -> Self {
        Self {
            api,
            body,
            lost: Arc::default(),
        }
    }

    /// How Vault ended and its last output, if it no longer answers.
    pub async fn lost(&self) -> Option<&str> {
        if let Some(why) = self.lost.get() {
            return Some(why);
        }
        for attempt in 1.. {
            match self.api.version().await {
                Ok(_) => return None,
                Err(_) if attempt < TRIES => sleep(BETWEEN_TRIES).await,
                Err(error) => {
                    let why = self
                        .lost
                        .get_or_init(|| self.post_mortem(error.to_string()));
                    return Some(why.await);
                }
            }
        }
        None
    }

    /// What is already known about the loss of Vault.
    #[must_use]
    pub fn known_lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    async fn post_mortem(&self, error: String) -> String {
        let found = match &self.body {
            Body::Process(remains) => remains.examine().await,
            Body::Container(id) => container::examine(id).await,
            Body::Stranger => None,
        };
        match found {
            Some((how, last_words)) => {
                format!(
                    "Vault ended in the middle of the run ({how}); its last output:\n{last_words}"
                )
            }
            None => format!("Vault does not answer any more: {error}"),
        }
    }
}
