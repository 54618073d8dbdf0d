//! The stage of the operations on mounts.

use super::engine::Stage;
use crate::{
    act::Act,
    engines::Mounts,
    scenario::Scenario,
    verdict::StepResult,
    vocabulary::{given, pki},
};

/// The mounts that operations create on the shared stage.
pub(crate) const NEW_MOUNTS: [&str; 2] = ["extra", "more"];
/// The mount that is removed there.
pub(super) const SPARE: &str = "spare";

impl Stage for Mounts {
    async fn set(self, scenario: &mut Scenario, pki: &str) -> StepResult<Act> {
        match self {
            Self::List => {
                given::make_mount(scenario, "secret", 2).await?;
                Ok(Act::list_mounts())
            }
            Self::Create => self.on_shared(scenario).await,
            Self::Delete => {
                pki::make_pki_mount(scenario, pki, true).await?;
                Ok(Act::delete_mount(scenario.path_of(pki)))
            }
        }
    }

    async fn on_shared(self, scenario: &mut Scenario) -> StepResult<Act> {
        let [new, _] = NEW_MOUNTS;
        Ok(match self {
            Self::List => Act::list_mounts(),
            Self::Create => Act::create_mount(scenario.path_of(new), 2),
            Self::Delete => Act::delete_mount(scenario.path_of(SPARE)),
        })
    }
}
