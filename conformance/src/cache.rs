//! The user's cache folder: keeps between runs what takes minutes to make, such as a Vault that the suite built.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The variable with another folder for the cache.
const CACHE_VARIABLE: &str = "VAULT_MCP_CONFORMANCE_CACHE";
const FOLDER: &str = "vault-mcp-conformance";

/// A folder that is kept between runs. Nothing in it is created before it is needed.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// Why the cache folder is not usable.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The environment names no place for a cache.
    #[error(
        "no cache folder: neither {CACHE_VARIABLE} nor a home directory is set; set {CACHE_VARIABLE} to a folder to write to"
    )]
    NoHome,
    /// A folder cannot be created.
    #[error("cannot create the cache folder {path}: {source}; set {CACHE_VARIABLE} to another one", path = .path.display())]
    Create {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Cache {
    /// `$VAULT_MCP_CONFORMANCE_CACHE`, or otherwise the folder `vault-mcp-conformance` in the system's cache folder:
    /// `$XDG_CACHE_HOME`, `~/.cache`; `~/Library/Caches`; `%LOCALAPPDATA%`.
    ///
    /// # Errors
    /// [`CacheError::NoHome`] if the environment names no place.
    pub fn locate() -> Result<Self, CacheError> {
        Self::locate_by(|name| env::var_os(name))
    }

    /// A cache in this folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn locate_by(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, CacheError> {
        // According to the XDG specification, a relative path is invalid, and an empty one counts as unset.
        let folder = |name| {
            let path = PathBuf::from(variable(name)?);
            path.is_absolute().then_some(path)
        };
        let caches = || {
            if cfg!(windows) {
                folder("LOCALAPPDATA")
            } else if cfg!(target_os = "macos") {
                folder("HOME").map(|home| home.join("Library").join("Caches"))
            } else {
                folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))
            }
        };
        variable(CACHE_VARIABLE)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .or_else(|| caches().map(|path| path.join(FOLDER)))
            .map(Self::at)
            .ok_or(CacheError::NoHome)
    }

    /// The path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of programs.
    pub fn bin_dir(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// Creates the folder of programs, and all parent folders.
    ///
    /// # Errors
    /// [`CacheError::Create`] with the path.
    pub fn create_bin_dir(&self) -> Result<PathBuf, CacheError> {
        let path = self.bin_dir();
        create(&path)?;
        Ok(path)
    }
}

/// Creates a folder of the cache, and all parent folders.
///
/// # Errors
/// [`CacheError::Create`] with the path.
pub(crate) fn create(path: &Path) -> Result<(), CacheError> {
    std::fs::create_dir_all(path).map_err(|source| CacheError::Create {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(variables: &[(&str, &str)]) -> Result<PathBuf, CacheError> {
        Cache::locate_by(|name| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some(value.into())
        })
        .map(|cache| cache.root)
    }

    #[test]
    fn the_own_variable_names_the_folder_itself() {
        let root = located(&[(CACHE_VARIABLE, "/elsewhere"), ("HOME", "/someone")]);
        assert_eq!(root.unwrap(), Path::new("/elsewhere"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_empty_or_relative_xdg_folder_counts_as_unset() {
        for xdg in ["", "relative"] {
            let root = located(&[("XDG_CACHE_HOME", xdg), ("HOME", "/someone")]);
            assert_eq!(
                root.unwrap(),
                Path::new("/someone/.cache/vault-mcp-conformance")
            );
        }
    }

    #[test]
    fn without_a_home_the_error_names_the_variable_to_set() {
        let error = located(&[]).unwrap_err().to_string();
        assert!(error.contains(CACHE_VARIABLE), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Cache::at(file.path()).create_bin_dir().unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&file.path().display().to_string()),
            "{error}"
        );
    }
}
