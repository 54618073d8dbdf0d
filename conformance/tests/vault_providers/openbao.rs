//! OpenBao in the place of Vault: when it is used, and what is said about it.

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path},
};

use super::*;
use vault_mcp_conformance::vault::external::ExternalOptions;

fn nowhere() -> TempDir {
    TempDir::new().unwrap()
}

#[test]
fn where_there_is_no_vault_on_path_binary_takes_bao() {
    let path = folder_with("bao", &fake("failing-vault"));
    let (asked, cache) = ("binary", nowhere());
    let error = failure_of(&mut vault_start_without_docker(
        asked,
        path.path(),
        cache.path(),
    ));
    let used = format!(
        "{} server -dev ended at once",
        path.path().join("bao").display()
    );
    assert!(error.contains(&used), "{error}");
}

#[test]
fn a_vault_on_path_comes_before_bao() {
    let (path, cache) = (folder_with("bao", &built_vault()), nowhere());
    let vault = path.path().join("vault");
    std::os::unix::fs::symlink(fake("failing-vault"), &vault).unwrap();
    let error = failure_of(&mut vault_start_without_docker(
        "binary",
        path.path(),
        cache.path(),
    ));
    let used = format!("{} server -dev ended at once", vault.display());
    assert!(error.contains(&used), "{error}");
}

#[test]
fn auto_says_that_there_is_openbao_and_does_not_use_it() {
    let (path, cache) = (folder_with("bao", &built_vault()), nowhere());
    let error = failure_of(&mut vault_start_without_docker(
        "auto",
        path.path(),
        cache.path(),
    ));
    let bao = path.path().join("bao");
    for part in [
        "no `vault` on PATH; there is OpenBao, which is not used unless you ask for it",
        &bao.display().to_string(),
        "fix: install Vault, or test with OpenBao: --vault binary",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

#[test]
fn a_program_that_is_named_is_the_only_one_that_is_tried() {
    let (path, cache) = (folder_with("vault", &built_vault()), nowhere());
    let (broken, missing) = (fake("failing-vault"), path.path().join("nothing"));
    for (named, part) in [
        (&broken, "server -dev ended at once"),
        (&missing, "is no program"),
    ] {
        let mut command = vault_start_without_docker("auto", path.path(), cache.path());
        let error = failure_of(command.arg("--vault-binary").arg(named));
        let said = format!("{} {part}", named.display());
        assert!(error.contains(&said), "{error}");
        assert!(!error.contains("container:"), "{error}");
    }
}

#[test]
fn a_relative_path_of_a_program_begins_in_the_current_folder() {
    let (path, cache) = (folder_with("bao", &fake("failing-vault")), nowhere());
    let mut command = vault_start_without_docker("binary", path.path(), cache.path());
    let command = command.current_dir(path.path());
    let error = failure_of(command.args(["--vault-binary", "./bao"]));
    assert!(
        error.contains("| Error parsing listener configuration."),
        "{error}"
    );
}

/// An OpenBao that somebody else runs, as far as the suite looks at it before a run.
async fn somebodys_openbao() -> MockServer {
    let bao = MockServer::start().await;
    let answers = |verb: &str, at: &str, body: Value| {
        Mock::given(method(verb))
            .and(path(format!("/v1/{at}")))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&bao)
    };
    answers(
        "GET",
        "sys/seal-status",
        json!({ "initialized": true, "sealed": false }),
    )
    .await;
    answers("GET", "sys/health", json!({ "version": "2.7.2" })).await;
    let plugin = json!({ "running_plugin_version": "v2.7.2+builtin.bao" });
    answers("GET", "sys/mounts", json!({ "data": { "sys/": plugin } })).await;
    answers(
        "LIST",
        "sys/policies/acl",
        json!({ "data": { "keys": [] } }),
    )
    .await;
    let token = json!({ "client_token": "s.made", "accessor": "made" });
    answers("POST", "auth/token/create", json!({ "auth": token })).await;
    Mock::given(path("/v1/sys/capabilities-self"))
        .respond_with(|asked: &Request| {
            let asked: Value = asked.body_json().unwrap();
            let paths = asked["paths"].as_array().unwrap().iter();
            let all = paths.map(|path| (path.as_str().unwrap().to_owned(), json!(["root"])));
            let data: serde_json::Map<_, _> = all.collect();
            ResponseTemplate::new(200).set_body_json(json!({ "data": data }))
        })
        .mount(&bao)
        .await;
    Mock::given(method("PUT"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&bao)
        .await;
    bao
}

#[tokio::test]
async fn an_external_openbao_is_named_with_its_version() {
    let bao = somebodys_openbao().await;
    let options = VaultOptions {
        choice: VaultChoice::External,
        external: Some(ExternalOptions {
            address: bao.uri(),
            token: "s.admin".into(),
            ca: None,
        }),
        ..VaultOptions::default()
    };
    let said = Said::default();
    let vault = start(&options, &Progress::lines(said.clone()))
        .await
        .unwrap();
    assert_eq!(vault.identity().product, "OpenBao");
    let line = format!("this is OpenBao: OpenBao 2.7.2 (external {})", bao.uri());
    assert!(said.text().contains(&line), "{}", said.text());
    vault.stop().await.unwrap();
}
