//! What cucumber's runner gets, and what it reports: the features and the events.

use std::sync::Arc;

use cucumber::{
    Event as CucumberEvent, cli, event as told, event::StepError, parser, writer::Normalized,
};
use futures::stream;

use super::{
    Run,
    result::{Running, described},
};
use crate::{event::Event, plan::Planned, verdict::StepEnd, world::World};

/// The tag that distinguishes cucumber's scenarios, because one requirement runs on several transports.
const KEY_TAG: &str = "key:";

/// The key of a planned scenario.
pub(super) fn key_of(scenario: &gherkin::Scenario) -> Option<&str> {
    let mut tags = scenario.tags.iter();
    tags.find_map(|tag| tag.strip_prefix(KEY_TAG))
}

/// The features for cucumber: each planned scenario as a feature of its own, with its key as a tag, so that they run in
/// this order.
pub(super) fn features(wave: &[&Arc<Planned>]) -> Vec<gherkin::Feature> {
    let feature = |planned: &Arc<Planned>| {
        let mut scenario = planned.requirement.scenario.clone();
        scenario.tags.push(format!("{KEY_TAG}{}", planned.key));
        let mut feature = gherkin::Feature::clone(&planned.requirement.feature);
        feature.scenarios.push(scenario);
        feature
    };
    spread(wave).into_iter().map(feature).collect()
}

/// The same scenarios, with those that wait for a Vault of their own spread evenly among the others.
fn spread<'p>(wave: &[&'p Arc<Planned>]) -> Vec<&'p Arc<Planned>> {
    let (own, mut spread): (Vec<_>, Vec<_>) =
        (wave.iter().copied()).partition(|planned| planned.requirement.has_own_vault());
    let others = spread.len();
    for (index, planned) in own.iter().enumerate().rev() {
        spread.insert(index * others / own.len(), planned);
    }
    spread
}

/// Passes features that are in memory to cucumber.
pub(super) struct InMemory;

impl cucumber::Parser<Vec<gherkin::Feature>> for InMemory {
    type Cli = cli::Empty;
    type Output = stream::Iter<std::vec::IntoIter<parser::Result<gherkin::Feature>>>;

    fn parse(self, features: Vec<gherkin::Feature>, _: Self::Cli) -> Self::Output {
        stream::iter(features.into_iter().map(Ok).collect::<Vec<_>>())
    }
}

/// Receives cucumber's events and turns them into results.
pub(super) struct Recorder(pub(super) Arc<Run>);

impl Normalized for Recorder {}

impl cucumber::Writer<World> for Recorder {
    type Cli = cli::Empty;

    async fn handle_event(
        &mut self,
        event: parser::Result<CucumberEvent<told::Cucumber<World>>>,
        _: &Self::Cli,
    ) {
        if let Ok(event) = event
            && let told::Cucumber::Feature(_, told::Feature::Scenario(scenario, event)) =
                event.into_inner()
            && let Some(running) = self.0.running(&scenario)
        {
            self.note(running, event.event);
        }
    }
}

impl Recorder {
    fn note(&self, running: &Running, event: told::Scenario<World>) {
        match event {
            told::Scenario::Started => {
                running.begin();
                let key = running.planned.key.clone();
                self.0.tell(&Event::ScenarioStarted { key });
            }
            told::Scenario::Background(step, event) | told::Scenario::Step(step, event) => {
                let stop = match event {
                    told::Step::Failed(_, _, _, error) => stop_of(&error),
                    told::Step::Skipped => StepEnd::blocked("the suite has no such step"),
                    told::Step::Started | told::Step::Passed(..) => return,
                };
                running.stop(described(&step), stop);
            }
            told::Scenario::Hook(kind, told::Hook::Failed(_, info)) => {
                let why = format!("the suite failed {kind} it: {}", text_of(&info));
                running.stop(String::new(), StepEnd::blocked(why));
            }
            told::Scenario::Finished => self.0.conclude(running),
            told::Scenario::Hook(..) | told::Scenario::Log(_) => {}
        }
    }
}

/// What a scenario that failed expected and saw.
pub(super) fn failure_of(end: &told::ScenarioFinished) -> Option<(String, String)> {
    let told::ScenarioFinished::StepFailed(_, _, error) = end else {
        return None;
    };
    match stop_of(error) {
        StepEnd::Failed { expected, actual } => Some((expected, actual)),
        StepEnd::NotApplicable { .. } | StepEnd::Blocked { .. } => None,
    }
}

fn stop_of(error: &StepError) -> StepEnd {
    match error {
        StepError::Panic(info) => StepEnd::from_message(&text_of(info)),
        other => StepEnd::blocked(other),
    }
}

fn text_of(info: &told::Info) -> String {
    let text = info.downcast_ref::<String>().cloned();
    text.or_else(|| info.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
