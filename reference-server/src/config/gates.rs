//! Settings that restrict calls: the namespace, write access to Vault, and the rate limits. Names, forms and defaults
//! are those of HashiCorp's vault-mcp-server. But this server rejects invalid values, because a limit that silently
//! becomes another one protects nothing.

use super::ConfigError;
use crate::{
    limits::{Rate, Rates},
    vault::{access::Access, namespace::Namespace},
};

/// For one session: five tool calls a second, and ten at once.
const DEFAULT_SESSION_RATE: &str = "5:10";
/// For all clients together: twice that.
const DEFAULT_GLOBAL_RATE: &str = "10:20";

pub(super) fn namespace(
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<Namespace>, ConfigError> {
    let text = env("VAULT_NAMESPACE");
    Ok(text.map(|text| text.parse()).transpose()?)
}

pub(super) fn access(env: impl Fn(&str) -> Option<String>) -> Result<Access, ConfigError> {
    match env("ENABLE_VAULT_OPERATIONS") {
        None => Ok(Access::ReadWrite),
        Some(text) if matches!(text.as_str(), "true" | "1") => Ok(Access::ReadWrite),
        Some(text) if matches!(text.as_str(), "false" | "0") => Ok(Access::ReadOnly),
        Some(text) => Err(ConfigError::Operations(text)),
    }
}

pub(super) fn rates(env: impl Fn(&str) -> Option<String>) -> Result<Rates, ConfigError> {
    let rate = |name: &'static str, default: &str| -> Result<Rate, ConfigError> {
        let value = env(name).unwrap_or_else(|| default.to_owned());
        value
            .parse()
            .map_err(|error| ConfigError::RateLimit { name, value, error })
    };
    Ok(Rates {
        session: rate("MCP_RATE_LIMIT_SESSION", DEFAULT_SESSION_RATE)?,
        global: rate("MCP_RATE_LIMIT_GLOBAL", DEFAULT_GLOBAL_RATE)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> impl Fn(&str) -> Option<String> + Copy {
        move |asked| (asked == name).then(|| value.to_owned())
    }

    #[test]
    fn vault_may_be_changed_unless_the_operator_says_no() {
        let access = |value| access(set("ENABLE_VAULT_OPERATIONS", value));
        assert_eq!(super::access(|_| None).unwrap(), Access::ReadWrite);
        for (value, expected) in [
            ("true", Access::ReadWrite),
            ("1", Access::ReadWrite),
            ("false", Access::ReadOnly),
            ("0", Access::ReadOnly),
        ] {
            assert_eq!(access(value).unwrap(), expected);
        }
        // A value that may mean "no" must not be read as "yes".
        for value in ["no", "off", "False", "FALSE", " false", "flase", "2"] {
            let message = access(value).unwrap_err().to_string();
            assert!(message.contains("ENABLE_VAULT_OPERATIONS"), "{message}");
        }
    }

    #[test]
    fn the_limits_have_the_defaults_of_the_official_server() {
        let rates = rates(|_| None).unwrap();
        assert_eq!(rates.session.to_string(), "5:10");
        assert_eq!(rates.global.to_string(), "10:20");
    }

    #[test]
    fn a_limit_that_is_none_is_refused_by_name() {
        for name in ["MCP_RATE_LIMIT_SESSION", "MCP_RATE_LIMIT_GLOBAL"] {
            assert!(rates(set(name, "2:3")).is_ok());
            let message = rates(set(name, "5;10")).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains("5;10"),
                "{message}"
            );
        }
    }
}
