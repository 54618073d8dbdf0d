//! The launch part of a draft: how a server is started or reached, without a secret of the user's in it.

use std::{collections::BTreeMap, path::Path};

use super::held::{Held, header, is_harmless, is_token, looks_random, names_secret, of_variable};
use crate::adapter::launch::{HttpLaunch, Launch, Remote};

/// The name that a container uses for this machine, and what makes it known on Linux.
const HOST_KNOWN: [&str; 2] = ["--add-host", "host.docker.internal:host-gateway"];
/// The programs that run containers.
const CONTAINER_PROGRAMS: [&str; 3] = ["docker", "podman", "nerdctl"];
/// What stands where a literal value was that may be a secret.
const LEFT_OUT: &str = "LEFT_OUT";

/// How a server is started or reached, as a draft says it.
#[derive(Clone, Debug)]
pub struct LaunchDraft {
    /// The adapter's name for the server.
    pub name: String,
    /// The section.
    pub section: Section,
    /// Modes, by name: the variables that switch them on.
    pub modes: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// What a reader should know, one sentence each.
    pub notes: Vec<String>,
}

/// The section that says how the server is started or reached.
#[derive(Clone, Debug)]
pub enum Section {
    /// Over its standard streams.
    Stdio(Launch),
    /// Over HTTP, on a port that the suite chooses.
    Http(HttpLaunch),
    /// It already runs.
    Remote(Remote),
}

/// What starts a server, as the user wrote it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Started {
    pub(crate) command: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
}

impl LaunchDraft {
    /// A server that already runs at an address.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self::remote(&name_of_url(url), url, &BTreeMap::new())
    }

    /// A server that already runs, with the headers that a client sends.
    pub(crate) fn remote(name: &str, url: &str, headers: &BTreeMap<String, String>) -> Self {
        let mut notes = Vec::new();
        let mut own = BTreeMap::new();
        for (name, value) in headers {
            let (value, note) = header(name, value);
            notes.extend(note);
            own.insert(name.clone(), value);
        }
        Self {
            name: plain_name(name),
            section: Section::Remote(Remote {
                url: without_credentials(url),
                headers: own,
            }),
            modes: BTreeMap::new(),
            notes,
        }
    }

    /// A server that this command starts; over HTTP if it has the placeholder `{port}`.
    #[must_use]
    pub fn command(command: &[String]) -> Self {
        let started = Started {
            command: command.to_vec(),
            env: BTreeMap::new(),
        };
        Self::started(&name_of_command(command), started)
    }

    /// A server that a client starts with this command and these variables.
    pub(crate) fn started(name: &str, started: Started) -> Self {
        let mut notes = Vec::new();
        let mut modes: BTreeMap<&'static str, BTreeMap<String, String>> = BTreeMap::new();
        let Started { command, mut env } = started;
        let (program, arguments) = command
            .split_first()
            .map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
        let container = is_container(program, arguments);
        let mut words = vec![program.to_owned()];
        match container {
            true => words.extend(docker_arguments(arguments, &mut env)),
            false => words.extend(arguments.iter().cloned()),
        }
        let tokens = tokens_in(&env);
        let mut own = BTreeMap::new();
        for (name, value) in &env {
            let held = match tokens.contains(value) {
                true => Held::Token,
                false => of_variable(name, value),
            };
            match held {
                Held::Address => _ = own.insert(name.clone(), "{vault_addr}".to_owned()),
                Held::Token => _ = own.insert(name.clone(), "{vault_token}".to_owned()),
                Held::TokenFile => _ = own.insert(name.clone(), "{vault_token_file}".to_owned()),
                Held::Namespace => {
                    let mode = modes.entry("namespace").or_default();
                    mode.insert(name.clone(), "{namespace}".to_owned());
                }
                Held::Authority => {
                    let mode = modes.entry("vault_ca").or_default();
                    mode.insert(name.clone(), "{vault_ca}".to_owned());
                }
                Held::Unverified => {
                    notes.push(format!("{name} is left out: the server must verify Vault's certificate."));
                }
                Held::Other if is_harmless(value) => _ = own.insert(name.clone(), value.clone()),
                Held::Other => notes.push(format!("{name} is left out, because its value may be a secret. Add it to env if the server needs it.")),
            }
        }
        let has = |placeholder: &str| {
            own.values()
                .chain(&words)
                .any(|text| text.contains(placeholder))
        };
        let (address, token) = (
            has("{vault_addr}"),
            has("{vault_token}") || has("{vault_token_file}"),
        );
        if !address {
            own.insert("VAULT_ADDR".to_owned(), "{vault_addr}".to_owned());
        }
        if !token {
            own.insert("VAULT_TOKEN".to_owned(), "{vault_token}".to_owned());
        }
        if container {
            name_variables(
                &mut words,
                own.keys().chain(modes.values().flat_map(BTreeMap::keys)),
            );
        }
        let words = without_secrets(words, &tokens, &mut notes);
        let launch = Launch {
            command: words,
            env: own,
            container,
        };
        let section = match launch.command.iter().any(|word| word.contains("{port}")) {
            false => Section::Stdio(launch),
            true => Section::Http(HttpLaunch {
                command: launch.command,
                env: launch.env,
                container: launch.container,
                url: "http://127.0.0.1:{port}/mcp".to_owned(),
                ready: None,
                headers: BTreeMap::new(),
            }),
        };
        Self {
            name: plain_name(name),
            section,
            modes,
            notes,
        }
    }

    /// Makes the path of the program absolute, if the draft is written to another folder than the working one.
    pub fn written_to(&mut self, file: &Path) {
        let is_here = file
            .parent()
            .is_none_or(|folder| folder.as_os_str().is_empty() || folder == Path::new("."));
        let command = match &mut self.section {
            Section::Stdio(launch) => &mut launch.command,
            Section::Http(launch) => &mut launch.command,
            Section::Remote(_) => return,
        };
        if let Some(program) = command
            .first_mut()
            .filter(|program| !is_here && program.contains('/'))
        {
            let path = std::path::absolute(&*program);
            *program = path.map_or_else(|_| program.clone(), |path| path.display().to_string());
        }
    }
}

fn is_container(program: &str, arguments: &[String]) -> bool {
    let name = Path::new(program)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let runs = arguments.first().is_some_and(|word| word == "run");
    runs && name.is_some_and(|name| CONTAINER_PROGRAMS.contains(&name.as_str()))
}

/// The arguments of `docker`: values of variables move to the environment of the command, and the name of this machine
/// is made known.
fn docker_arguments(arguments: &[String], env: &mut BTreeMap<String, String>) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = arguments.iter().peekable();
    while let Some(word) = rest.next() {
        let variable = match word.as_str() {
            "-e" | "--env" => rest.next().cloned(),
            word => word
                .strip_prefix("--env=")
                .or_else(|| word.strip_prefix("-e="))
                .map(str::to_owned),
        };
        let Some(variable) = variable else {
            words.push(word.clone());
            continue;
        };
        let name = match variable.split_once('=') {
            Some((name, value)) => {
                env.insert(name.to_owned(), value.to_owned());
                name
            }
            None => {
                // The client passes on its own variable.
                let held = of_variable(&variable, "");
                if !matches!(held, Held::Other | Held::Unverified) {
                    env.entry(variable.clone()).or_default();
                }
                &variable
            }
        };
        words.extend(["-e".to_owned(), name.to_owned()]);
    }
    let knows_host = words
        .iter()
        .any(|word| word.contains("host.docker.internal"));
    if !knows_host {
        let flags = words.iter().skip(1).take_while(|word| {
            ["-i", "--rm", "-it", "-t", "--interactive", "--init"].contains(&word.as_str())
        });
        let at = 1 + flags.count();
        words.splice(at..at, HOST_KNOWN.map(str::to_owned));
    }
    words
}

/// Adds the variables to a `docker run` line that does not name them: a container inherits no others.
fn name_variables<'n>(words: &mut Vec<String>, names: impl Iterator<Item = &'n String>) {
    for name in names {
        if !words.contains(name) {
            let at = words
                .iter()
                .position(|word| word == "-e")
                .unwrap_or_else(|| words.len().min(2));
            words.splice(at..at, ["-e".to_owned(), name.clone()]);
        }
    }
}

/// The values of variables that hold the token.
fn tokens_in(env: &BTreeMap<String, String>) -> Vec<String> {
    let tokens = env
        .iter()
        .filter(|(name, value)| of_variable(name, value) == Held::Token);
    let tokens = tokens.map(|(_, value)| value.clone());
    tokens.filter(|value| !value.is_empty()).collect()
}

/// The words of a command; tokens become placeholders, and what may be a secret is left out.
fn without_secrets(words: Vec<String>, tokens: &[String], notes: &mut Vec<String>) -> Vec<String> {
    let mut own: Vec<String> = Vec::new();
    let mut flag: Option<String> = None;
    for (index, word) in words.into_iter().enumerate() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with('-') => {
                (Some(name.to_owned()), value.to_owned())
            }
            _ => (flag.take(), word.clone()),
        };
        let is_flag = word.starts_with('-') && !word.contains('=');
        let held = match &name {
            Some(name) if !is_flag => of_variable(name, &value),
            _ => Held::Other,
        };
        // The name of a variable is no value of it.
        let is_name = name
            .as_deref()
            .is_some_and(|name| ["-e", "--env"].contains(&name));
        let replaced = match held {
            _ if index == 0
                || is_flag
                || is_name
                || value.contains('{') && value.contains('}') && !value.contains("${") =>
            {
                None
            }
            Held::Token => Some("{vault_token}"),
            Held::Address => Some("{vault_addr}"),
            Held::TokenFile => Some("{vault_token_file}"),
            _ if tokens.contains(&value) || is_token(&value) => Some("{vault_token}"),
            Held::Other
                if name.as_deref().is_some_and(names_secret) && !is_harmless(&value)
                    || looks_random(&value)
                    || value.contains("${") =>
            {
                notes.push(format!("A value is left out of the command, because it may be a secret: {LEFT_OUT} stands in its place."));
                Some(LEFT_OUT)
            }
            _ => None,
        };
        own.push(match (replaced, word.split_once('=')) {
            (None, _) => word.clone(),
            (Some(replaced), Some((name, _))) if word.starts_with('-') => {
                format!("{name}={replaced}")
            }
            (Some(replaced), _) => replaced.to_owned(),
        });
        flag = is_flag.then_some(word);
    }
    own
}

/// An address without the credentials in it.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{scheme}://{host}{path}")
}

fn name_of_url(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    match host.is_empty()
        || host.starts_with(|letter: char| letter.is_ascii_digit())
        || host == "localhost"
    {
        true => "vault-mcp".to_owned(),
        false => host.to_owned(),
    }
}

/// A name for the server that a command starts: the last part of the word that names Vault, or else of the program.
fn name_of_command(command: &[String]) -> String {
    let stem = |word: &String| {
        let word = word
            .split('@')
            .find(|part| !part.is_empty())
            .unwrap_or(word);
        let word = word.split(':').next().unwrap_or(word);
        let stem = Path::new(word).file_stem();
        stem.map(|stem| stem.to_string_lossy().into_owned())
    };
    let is_place = |word: &&String| {
        !word.starts_with('-')
            && !word.contains('{')
            && !word.contains('=')
            && !word.contains("://")
    };
    // The folder of a script often has the name of the project.
    let parts = command.iter().filter(is_place).flat_map(|word| {
        let path = Path::new(word).components().rev();
        let folders = path.skip(1).filter_map(|part| part.as_os_str().to_str());
        stem(word).into_iter().chain(folders.map(str::to_owned))
    });
    let mut named = parts.filter(|part| part.to_lowercase().contains("vault"));
    named
        .next()
        .or_else(|| command.first().and_then(stem))
        .unwrap_or_default()
}

/// A name that can be the name of a file.
fn plain_name(name: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let name: String = name
        .chars()
        .map(|letter| if allowed(letter) { letter } else { '-' })
        .collect();
    let name = name.trim_matches(['-', '.']).to_owned();
    match name.is_empty() {
        true => "vault-mcp".to_owned(),
        false => name,
    }
}
