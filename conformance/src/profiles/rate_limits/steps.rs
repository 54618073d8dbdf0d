//! Steps about limits on calls.

use std::time::Duration;

use cucumber::{given, then, when};

use super::load;
use crate::{
    adapter::launch::Mode,
    instance::setup::Setup,
    pressure::Allowance,
    verdict::StepResult,
    vocabulary::{about, start},
    world::World,
};

#[given(expr = "a server that limits each client to {int} calls per second with a burst of {int}")]
async fn limits_each(world: &mut World, rate: u32, burst: u32) -> StepResult {
    let setup = Setup::of(Mode::RateLimit);
    let allowance = Allowance { rate, burst };
    start::start_limited(world.scenario()?, setup, allowance).await
}

#[given(
    expr = "a server that limits all clients together to {int} calls per second with a burst of {int}"
)]
async fn limits_all(world: &mut World, rate: u32, burst: u32) -> StepResult {
    let setup = Setup::of(Mode::GlobalLimit);
    let allowance = Allowance { rate, burst };
    start::start_limited(world.scenario()?, setup, allowance).await
}

#[when(regex = r#"^the agent reads the secret "([^"]+)" at full speed for (\d+) seconds?$"#)]
async fn rushes(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    load::let_agent_rush(world.scenario()?, &path, length, None).await
}

#[when(
    expr = "the agent reads the secret {string} at full speed for {int} seconds, and another client reads it {int} times a second"
)]
async fn rushes_beside(world: &mut World, path: String, seconds: u64, times: u32) -> StepResult {
    let (length, every) = (
        Duration::from_secs(seconds),
        Duration::from_secs(1) / times.max(1),
    );
    load::let_agent_rush(world.scenario()?, &path, length, Some(every)).await
}

#[when(expr = "short-lived clients read the secret {string} for {int} second(s)")]
async fn come_and_go(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    load::let_clients_come_and_go(world.scenario()?, &path, length).await
}

#[when(expr = "clients with invented session ids read the secret {string} for {int} second(s)")]
async fn make_up_sessions(world: &mut World, path: String, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    load::let_clients_make_up_sessions(world.scenario()?, &path, length).await
}

#[when(expr = "{int} clients concurrently and repeatedly read a secret each for {int} second(s)")]
async fn crowd(world: &mut World, count: usize, seconds: u64) -> StepResult {
    let length = Duration::from_secs(seconds);
    load::let_clients_crowd(world.scenario()?, count, length).await
}

#[then("for no client have more reads reached Vault than its limit allows")]
fn each_within_limit(world: &mut World) -> StepResult {
    load::expect_each_within_limit(world.scenario()?)
}

#[then("no more reads have reached Vault than the limit allows")]
fn within_limit(world: &mut World) -> StepResult {
    load::expect_within_limit(world.scenario()?)
}

#[then("almost as many reads have reached Vault as the limit allows")]
fn limit_used(world: &mut World) -> StepResult {
    load::expect_limit_used(world.scenario()?)
}

#[then("the server reports an error for every read that has not reached Vault")]
fn excess_refused(world: &mut World) -> StepResult {
    load::expect_excess_refused(world.scenario()?)
}

#[then("after a second the next read succeeds")]
async fn goes_on(world: &mut World) -> StepResult {
    let scenario = world.scenario()?;
    let path = about::only_secret(scenario)?;
    load::expect_goes_on(scenario, &path).await
}

#[then("every refusal says when to retry")]
fn retry_told(world: &mut World) -> StepResult {
    load::expect_retry_told(world.scenario()?)
}

#[then("all reads of the other client succeed")]
fn modest_served(world: &mut World) -> StepResult {
    load::expect_modest_served(world.scenario()?)
}

#[then(
    expr = "a server whose limit is {string} for each client does not start, or logs that the limit is invalid"
)]
async fn nonsense_refused(world: &mut World, nonsense: String) -> StepResult {
    let setup = Setup::of(Mode::RateLimit);
    load::expect_limit_refused(world.scenario()?, setup, &nonsense).await
}
