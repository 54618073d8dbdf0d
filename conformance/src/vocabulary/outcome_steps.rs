//! Steps about what the agent is told, and what has become of Vault.

use cucumber::then;

use crate::{
    verdict::StepResult,
    vocabulary::{answered, effect},
    world::World,
};

#[then("the agent is told of success")]
fn told_of_success(world: &mut World) -> StepResult {
    answered::expect_success(world.scenario()?).map(drop)
}

#[then("the agent is told of an error")]
fn told_of_an_error(world: &mut World) -> StepResult {
    answered::expect_error(world.scenario()?).map(drop)
}

#[then("the agent is told that permission was denied")]
fn told_of_a_denial(world: &mut World) -> StepResult {
    answered::expect_denial(world.scenario()?)
}

#[then("the agent is told that there is no such thing")]
fn told_of_absence(world: &mut World) -> StepResult {
    answered::expect_absence_told(world.scenario()?)
}

#[then("the agent is told that nothing is there")]
fn told_of_nothing(world: &mut World) -> StepResult {
    answered::expect_nothing_listed(world.scenario()?)
}

#[then("the agent is shown no value")]
fn shown_no_value(world: &mut World) -> StepResult {
    answered::expect_no_value(world.scenario()?)
}

#[then("Vault shows the effect")]
async fn the_effect_shows(world: &mut World) -> StepResult {
    effect::expect_effect(world.scenario()?).await
}

#[then("nothing in Vault has changed")]
async fn nothing_changed(world: &mut World) -> StepResult {
    effect::expect_unchanged(world.scenario()?, false).await
}

#[then("nothing else in Vault has changed")]
async fn nothing_else_changed(world: &mut World) -> StepResult {
    effect::expect_unchanged(world.scenario()?, true).await
}
