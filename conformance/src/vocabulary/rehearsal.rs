//! A scenario for tests of the steps. No agent acts in it, and its Vault does not answer. It shows what a step checks
//! in the scenario before it uses either.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use super::{
    given,
    kv::{KvMount, KvState},
};
use crate::{
    act::Act,
    instance::answer::Answer,
    plan::{Planned, Selection, Spoken, plan},
    requirement,
    scenario::{Scenario, calls::CallRecord},
    slot::Slots,
    target::Target,
    transport::{Revision, TransportKind},
    vault::{
        endpoint::Endpoint,
        oracle::{Oracle, Snapshot},
        prefix::RunPrefix,
    },
};

/// Any scenario. It is shared because reading the features takes a while.
static PLANNED: LazyLock<Arc<Planned>> = LazyLock::new(|| {
    let requirements = requirement::all().unwrap().into_iter().map(Arc::new);
    let requirements: Vec<_> = requirements.collect();
    let spoken = Spoken::alone(TransportKind::Stdio, Revision::R2025_11_25);
    let selection = Selection::of_all(vec![spoken]);
    let adapter = Target::find("reference").unwrap().adapter;
    let planned = plan(&requirements, &adapter, &selection).into_iter();
    let mut acting = planned.filter(|planned| !planned.is_ambient());
    Arc::new(acting.next().unwrap())
});

/// A scenario that made the KV version 2 mount `team` with the secret `app/database`. The secret
/// `app/described` has custom metadata, and Vault refuses a mount at `sys/refused`.
pub(crate) fn rehearsal() -> Scenario {
    let target = Arc::new(Target::find("reference").unwrap());
    // Nothing listens at this address.
    let endpoint = Endpoint::new("http://127.0.0.1:1", None).unwrap();
    let oracle = Oracle::new(&endpoint, &"".into(), &RunPrefix::draw()).unwrap();
    let oracle = Arc::new(oracle);
    let slots = Slots::new(
        Arc::clone(&oracle),
        Arc::clone(&target),
        HashMap::new(),
        None,
    );
    let planned = Arc::clone(&PLANNED);
    let mut scenario = Scenario::new(planned, target, Arc::new(slots), oracle, 7);
    let path = scenario.path_of("team");
    scenario.mount = Some(path.clone());
    scenario.state_mut::<KvState>().mount = Some(KvMount { path, version: 2 });
    let data = given::random_data(&mut scenario, &["username"], false);
    scenario
        .ledger
        .first
        .insert("app/database".to_owned(), data.clone());
    scenario
        .ledger
        .holds
        .insert("app/database".to_owned(), data);
    scenario.state_mut::<KvState>().custom =
        Some(("app/described".to_owned(), "custom".to_owned()));
    scenario.state_mut::<KvState>().refused_mount =
        Some(("sys/refused".to_owned(), "refused".to_owned()));
    scenario
}

/// Pretends that this was the agent's last act, and that it received an error.
pub(crate) fn pretend(scenario: &mut Scenario, act: Act) {
    let held = act
        .secret()
        .and_then(|path| scenario.ledger.holds.get(path))
        .cloned();
    scenario.calls.last = Some(CallRecord {
        act,
        answer: Answer::Error("refused".to_owned()),
        before: Snapshot::new(),
        held,
        passed: 0,
    });
}
