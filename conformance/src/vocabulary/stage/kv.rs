//! The stage of the operations on KV mounts.

use super::engine::Stage;
use crate::{
    act::Act,
    engines::{Kv, Operation},
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
    vocabulary::given,
};

/// The secret, and the folder that it is in.
const SECRET: &str = "myapp/database";
const FOLDER: &str = "myapp";

/// A secret with two versions.
pub(super) async fn make(scenario: &mut Scenario) -> StepResult {
    given::make_mount(scenario, "secret", 2).await?;
    for _ in 0..2 {
        given::make_secret(scenario, SECRET, &["username", "password"]).await?;
    }
    Ok(())
}

impl Stage for Kv {
    async fn set(self, scenario: &mut Scenario, _: &str) -> StepResult<Act> {
        make(scenario).await?;
        self.on_shared(scenario).await
    }

    async fn on_shared(self, scenario: &mut Scenario) -> StepResult<Act> {
        let mount = scenario.mount()?.to_owned();
        let on_first = || Act::on_version(&mount, Operation::Kv(self), SECRET, 1);
        Ok(match self {
            Self::List => Act::list(&mount, FOLDER),
            Self::ListAll => Act::list_all(&mount, FOLDER),
            Self::Read => Act::read(&mount, SECRET),
            Self::ReadVersion => Act::read_version(&mount, SECRET, 2),
            Self::Metadata => Act::describe(&mount, SECRET),
            Self::Write => {
                let data = given::random_data(scenario, &["username", "password"], true);
                Act::replace(&mount, SECRET, data)
            }
            Self::WriteKey => {
                let value = scenario.canary("value that the agent writes", true);
                Act::write(&mount, SECRET, "password", &value)
            }
            Self::Delete => Act::delete(&mount, SECRET),
            Self::DeleteKey => Act::delete_key(&mount, SECRET, "username"),
            Self::Undelete => {
                let oracle = &scenario.oracle;
                let ended = oracle.end_version(&mount, "delete", SECRET, 1).await;
                ended.map_err(StepEnd::blocked)?;
                on_first()
            }
            Self::Destroy => on_first(),
            Self::Purge => Act::purge(&mount, SECRET),
        })
    }
}
