//! Namespaces of Vault. Vault Enterprise and OpenBao have them. The community edition ignores the header that names
//! one: a request in any namespace is answered as without it.

use super::oracle::{Oracle, OracleError, VaultRequest};

/// What a Vault does with a namespace of the suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// It has none, and ignores the name.
    Ignored,
    /// It has the namespace, which the suite made.
    Made,
    /// It has namespaces, and makes none for the suite: why.
    Refused(String),
}

/// Finds out whether a Vault has namespaces, and if so, makes one with this name. The name must begin with the prefix
/// of the run, so that nobody else has a namespace with it.
///
/// # Errors
/// If Vault does not answer.
pub(super) async fn provide(oracle: &Oracle, name: &str) -> Result<Namespaces, OracleError> {
    let inside = oracle.within(name);
    let mounts = VaultRequest::new("GET", "sys/mounts");
    if (inside.ask(oracle.root_token(), &mounts).await?.status) < 300 {
        return Ok(Namespaces::Ignored);
    }
    if let Err(error) = oracle.make_namespace(name).await {
        return match error {
            OracleError::Refused { .. } => Ok(Namespaces::Refused(error.to_string())),
            unreachable => Err(unreachable),
        };
    }
    let answer = inside.ask(oracle.root_token(), &mounts).await?;
    Ok(match answer.status {
        200..300 => Namespaces::Made,
        status => Namespaces::Refused(format!(
            "Vault answers {status} in the namespace {name:?}, which the suite has made"
        )),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{header, method, path},
    };

    use super::{Namespaces, provide};
    use crate::vault::{endpoint::Endpoint, oracle::Oracle, prefix::RunPrefix};

    async fn answers(server: &MockServer, verb: &str, at: &str, status: u16, times: u64) {
        let body = json!({ "errors": ["no such namespace"], "data": {} });
        Mock::given(method(verb))
            .and(path(format!("/v1/{at}")))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .up_to_n_times(times)
            .mount(server)
            .await;
    }

    fn oracle(server: &MockServer) -> Oracle {
        let endpoint = Endpoint::new(&server.uri(), None).unwrap();
        Oracle::new(&endpoint, &"root".into(), &RunPrefix::draw()).unwrap()
    }

    #[tokio::test]
    async fn a_vault_that_ignores_a_name_nobody_has_is_asked_for_no_namespace() {
        let vault = MockServer::start().await;
        answers(&vault, "GET", "sys/mounts", 200, 9).await;
        let provided = provide(&oracle(&vault), "vmc-x-team").await.unwrap();
        assert_eq!(provided, Namespaces::Ignored);
        assert_eq!(vault.received_requests().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_missing_namespace_is_made_used_and_removed() {
        let vault = MockServer::start().await;
        answers(&vault, "GET", "sys/mounts", 404, 1).await;
        answers(&vault, "POST", "sys/namespaces/vmc-x-team", 200, 1).await;
        answers(&vault, "DELETE", "sys/namespaces/vmc-x-team", 202, 1).await;
        Mock::given(method("GET"))
            .and(path("/v1/sys/mounts"))
            .and(header("x-vault-namespace", "vmc-x-team"))
            .respond_with(ResponseTemplate::new(200))
            .mount(&vault)
            .await;
        let oracle = oracle(&vault);
        let provided = provide(&oracle, "vmc-x-team").await.unwrap();
        assert_eq!(provided, Namespaces::Made);
        assert_eq!(oracle.clean_up().await, Vec::<String>::new());
        let last = vault.received_requests().await.unwrap().pop().unwrap();
        assert_eq!(last.method.as_str(), "DELETE");
    }

    #[tokio::test]
    async fn a_vault_that_makes_no_namespace_says_why() {
        for status in [400, 403, 404, 405] {
            let vault = MockServer::start().await;
            answers(&vault, "GET", "sys/mounts", 404, 9).await;
            answers(&vault, "POST", "sys/namespaces/vmc-x-team", status, 9).await;
            let oracle = oracle(&vault);
            let provided = provide(&oracle, "vmc-x-team").await.unwrap();
            let Namespaces::Refused(why) = provided else {
                panic!("{status}: {provided:?}");
            };
            assert!(why.contains(&status.to_string()), "{why}");
        }
    }
}
