//! Lists what is in a whole Vault besides secrets, and resets a Vault that one scenario had to itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::oracle::{Oracle, OracleError, VaultRequest};

const MOUNTS: &str = "sys/mounts/";
const POLICIES: &str = "sys/policies/acl/";
const ACCESSORS: &str = "auth/token/accessors/";

/// Mounts, auth methods and audit devices with their settings, policies with their text, and the accessors of
/// tokens: by API path.
pub type Inventory = BTreeMap<String, Value>;

impl Oracle {
    /// Lists what is in this Vault.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn inventory(&self) -> Result<Inventory, OracleError> {
        let mut inventory = Inventory::new();
        for table in [MOUNTS, "sys/auth/", "sys/audit/"] {
            let path = table.trim_end_matches('/');
            let answer = self.root(VaultRequest::new("GET", path)).await?;
            for (path, about) in answer.body["data"].as_object().into_iter().flatten() {
                let kept = json!({
                    "type": about["type"], "description": about["description"],
                    "options": about["options"], "config": about["config"],
                });
                inventory.insert(format!("{table}{}", path.trim_end_matches('/')), kept);
            }
        }
        for name in self.names(POLICIES).await? {
            let path = format!("{POLICIES}{name}");
            let mut answer = self.root(VaultRequest::new("GET", &path)).await?;
            inventory.insert(path, answer.body["data"]["policy"].take());
        }
        let accessors = self.names(ACCESSORS).await?.into_iter();
        inventory.extend(accessors.map(|name| (format!("{ACCESSORS}{name}"), Value::Null)));
        Ok(inventory)
    }

    async fn names(&self, folder: &str) -> Result<Vec<String>, OracleError> {
        let answer = self.root(VaultRequest::new("LIST", folder)).await?;
        let names = answer.body["data"]["keys"].as_array().into_iter().flatten();
        Ok(names
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect())
    }

    /// Removes what was added since `at_first`, and empties the KV mounts that existed then. Returns whether Vault then
    /// equals `at_first`.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn reset(&self, at_first: &Inventory) -> Result<bool, OracleError> {
        for (path, about) in &self.inventory().await? {
            let is_new = !at_first.contains_key(path);
            let request = if let Some(accessor) = path.strip_prefix(ACCESSORS) {
                VaultRequest::new("POST", "auth/token/revoke-accessor")
                    .with(json!({ "accessor": accessor }))
            } else {
                VaultRequest::new("DELETE", path)
            };
            if is_new || is_kv_mount(path, about) {
                self.root(request).await?;
            }
        }
        for (path, about) in at_first
            .iter()
            .filter(|(path, about)| is_kv_mount(path, about))
        {
            self.root(VaultRequest::new("POST", path).with(about.clone()))
                .await?;
            let mount = path.trim_start_matches(MOUNTS);
            let version = if about["options"]["version"] == "2" {
                2
            } else {
                1
            };
            self.await_kv_mount(mount, version).await?;
        }
        self.forget_all();
        Ok(self.inventory().await? == *at_first)
    }
}

fn is_kv_mount(path: &str, about: &Value) -> bool {
    path.starts_with(MOUNTS) && about["type"] == "kv"
}
