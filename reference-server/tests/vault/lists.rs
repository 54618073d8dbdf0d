//! Listing whole trees.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::world::World;

/// Writes secrets, many concurrently.
async fn fill(world: &World, mount: &str, paths: impl IntoIterator<Item = String>) {
    stream::iter(paths)
        .for_each_concurrent(32, |path| async move {
            world
                .write(
                    &format!("{mount}/data/{path}"),
                    json!({ "data": { "k": "v" } }),
                )
                .await;
        })
        .await;
}

fn tree(mount: &str, path: &str) -> Value {
    json!({ "mount": mount, "path": path, "recursive": true })
}

fn names(answer: &Value) -> Vec<&str> {
    let entries = answer["entries"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["kind"] == "secret"));
    entries
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect()
}

pub(crate) async fn a_tree_of_200_folders_is_listed_whole(world: &World) {
    world.mount("tree", 2).await;
    let paths: Vec<String> = (0..5_000)
        .map(|n| format!("team{:02}/app{}/secret{n:04}", n % 20, n % 200 / 20))
        .collect();
    fill(world, "tree", paths.clone()).await;
    let mut client = world.root().await;
    let started = Instant::now();
    let answer = client.call("list_secrets", tree("tree", "")).await.unwrap();
    let took = started.elapsed();
    eprintln!("5,000 secrets in 220 folders were listed in {took:?}");
    let mut expected = paths;
    expected.sort_unstable();
    assert_eq!(names(&answer), expected);
    assert_eq!(answer["truncated"], false);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

pub(crate) async fn names_are_relative_to_the_folder_that_was_listed(world: &World) {
    world.mount("relative", 2).await;
    let paths = ["a", "a/b", "a/b/c", "a/b c@%2e/d", "e/f"];
    fill(world, "relative", paths.map(str::to_owned)).await;
    let mut client = world.root().await;
    for (folder, expected) in [
        ("", &["a", "a/b", "a/b c@%2e/d", "a/b/c", "e/f"][..]),
        ("a", &["b", "b c@%2e/d", "b/c"]),
        ("a/", &["b", "b c@%2e/d", "b/c"]),
        ("a/b", &["c"]),
    ] {
        let answer = client
            .call("list_secrets", tree("relative", folder))
            .await
            .unwrap();
        assert_eq!(names(&answer), expected);
    }
    world.mount("relative-v1", 1).await;
    for path in paths {
        world
            .write(&format!("relative-v1/{path}"), json!({ "k": "v" }))
            .await;
    }
    let answer = client
        .call("list_secrets", tree("relative-v1", "a"))
        .await
        .unwrap();
    assert_eq!(names(&answer), ["b", "b c@%2e/d", "b/c"]);
    let error = client
        .call("list_secrets", tree("relative", "no"))
        .await
        .unwrap_err();
    assert_eq!(error["kind"], "not_found");
    world.mount("relative-empty", 2).await;
    let answer = client
        .call("list_secrets", tree("relative-empty", ""))
        .await
        .unwrap();
    assert!(names(&answer).is_empty());
}

pub(crate) async fn a_folder_that_may_not_be_listed_is_named(world: &World) {
    world.mount("partly", 2).await;
    fill(
        world,
        "partly",
        ["open/a", "open/shut/b", "shut/c", "d"].map(str::to_owned),
    )
    .await;
    let grants = [
        ("partly/metadata/*", "list"),
        ("partly/metadata/open/shut/", "deny"),
        ("partly/metadata/shut/", "deny"),
    ];
    let mut client = world.client("partly", &grants).await;
    let answer = client
        .call("list_secrets", tree("partly", ""))
        .await
        .unwrap();
    assert_eq!(names(&answer), ["d", "open/a"]);
    assert_eq!(answer["denied"], json!(["open/shut/", "shut/"]));
}

pub(crate) async fn a_tree_of_which_nothing_may_be_seen_is_a_denial(world: &World) {
    world.mount("nothing", 2).await;
    fill(world, "nothing", ["a/b".to_owned()]).await;
    for (name, path) in [
        ("nothing-root", "nothing/metadata/"),
        ("nothing-data", "nothing/data/*"),
    ] {
        let mut client = world.client(name, &[(path, "list")]).await;
        let error = client
            .call("list_secrets", tree("nothing", ""))
            .await
            .unwrap_err();
        assert_eq!(error["kind"], "permission_denied");
        assert_eq!(error["missing_capability"]["capability"], "list");
    }
}

pub(crate) async fn progress_is_told_to_those_who_ask(world: &World) {
    world.mount("progress", 2).await;
    fill(world, "progress", (0..40).map(|n| format!("f{n}/s"))).await;
    let mut client = world.root().await;
    // `call` takes the next message for its answer: so there is no other message.
    client
        .call("list_secrets", tree("progress", ""))
        .await
        .unwrap();
    let params = json!({
        "name": "list_secrets", "arguments": tree("progress", ""), "_meta": { "progressToken": "p" },
    });
    let id = client.start("tools/call", params).await;
    let mut told = Vec::new();
    loop {
        let message = client.answer().await;
        if message["id"] == id {
            break;
        }
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "p");
        told.push(message["params"]["progress"].as_f64().unwrap());
    }
    assert_eq!(told, [1.0, 17.0, 33.0]);
}
