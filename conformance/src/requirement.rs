//! The requirements, read from the features, which are embedded in the program.
//!
//! A rule of a feature is a requirement: its name is the normative sentence, and its scenarios are the ways to check
//! it. The tags of a rule identify it:
//!
//! Other tags stand at the rule, or at the scenarios that they are about: `@needs:OP` the operations without which it
//! cannot be checked (`@needs:OP|OTHER` one of several), `@evidence:KIND` what it is judged by that the suite does not always have, `@own-vault` that it
//! has a Vault to itself, `@transport:T` the one transport that it is about, `@era:session` or `@era:stateless` that
//! it is about the revisions of one era, `@every-revision` that it is checked in all revisions that the target speaks
//! (both at its feature, too), `@mode:NAME` the modes without which it cannot be checked and in which it starts the
//! target itself, `@own-target` that no later scenario may use its target, `@slow` that it takes seconds,
//! `@any-kv-version` that its scenarios have mounts of versions of the KV engine which the server need not support,
//! `@seen-in:ID` that it is judged by what was seen in another requirement's scenarios. In an outline,
//! `@needs:<operation>` and `@mode:<mode>` are the operation and the mode that the row names; tags of its examples are
//! those of their rows.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, LazyLock},
};

use cucumber::feature::Ext as _;
use gherkin::GherkinEnv;
use include_dir::{Dir, include_dir};
use sha2::{Digest as _, Sha256};

use crate::{
    adapter::launch::Mode,
    engines::Operation,
    evidence::Evidence,
    source::Place,
    transport::{Era, TransportKind},
    verdict::Level,
};

static FEATURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../features");

const EVERY_REVISION: &str = "every-revision";

/// The profile whose scenarios are checked with what was seen in all the others.
pub const AMBIENT: &str = "ambient";

/// One scenario of the specification; outlines are expanded.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// The stable id, such as `kv.write-exact`.
    pub id: String,
    /// The folder under `features/`.
    pub profile: String,
    /// The requirement: one sentence with the keyword of its level, as in RFC 2119.
    pub demand: String,
    /// Its level.
    pub level: Level,
    /// The sources that demand it, with the place in each.
    pub sources: Vec<Place>,
    /// What the target must offer.
    pub needs: Vec<Need>,
    /// The evidence that it needs and that is not always available.
    pub evidence: Vec<Evidence>,
    /// The only transport to which it applies, if any.
    pub transport: Option<TransportKind>,
    /// The only era to which it applies, if any.
    pub era: Option<Era>,
    /// Whether it is checked in every revision that the target speaks.
    pub every_revision: bool,
    /// The modes that the target must claim. The scenario starts the target in these modes.
    pub modes: Vec<Mode>,
    /// The versions of the KV engine that the target must support.
    pub kv_versions: BTreeSet<u8>,
    /// Whether a step of its scenario names a KV mount.
    names_kv_mount: bool,
    /// The requirement in whose scenarios is seen what it is judged by, once all have ended.
    pub seen_in: Option<String>,
    /// Whether no later scenario may use its target.
    pub own_target: bool,
    /// Whether it takes seconds. The kill matrix then runs it only on the mutants that it must kill.
    pub slow: bool,
    /// The name of the row of its outline: see [`row_name`].
    pub row: Option<String>,
    /// The feature that contains it, without the scenarios.
    pub feature: Arc<gherkin::Feature>,
    /// The scenario itself.
    pub scenario: gherkin::Scenario,
}

/// Operations of which the target must offer at least one. The first is the one that the scenario is written for; another
/// one stands in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need(pub Vec<Operation>);

impl Need {
    /// Whether a target that offers these operations is enough.
    #[must_use]
    pub fn is_met(&self, offers: impl Fn(&Operation) -> bool) -> bool {
        self.0.iter().any(offers)
    }
}

/// `kv.write_key or kv.write`
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|operation| operation.name()).collect();
        f.write_str(&names.join(" or "))
    }
}

impl Requirement {
    /// Whether its scenario has a Vault to itself, in which names have no prefix.
    #[must_use]
    pub fn has_own_vault(&self) -> bool {
        self.evidence.contains(&Evidence::DedicatedVault)
    }

    /// Whether its scenario has a cluster of Vaults to itself.
    #[must_use]
    pub fn has_cluster(&self) -> bool {
        self.evidence.contains(&Evidence::Cluster)
    }

    /// Whether its scenario can have a KV mount. It has none for certain if it needs operations on PKI alone, or is about
    /// a launcher.
    #[must_use]
    pub fn can_have_kv_mount(&self) -> bool {
        let is_pki = |need: &Need| {
            let mut operations = need.0.iter();
            operations.all(|operation| matches!(operation, Operation::Pki(_)))
        };
        let is_about_pki = !self.needs.is_empty() && self.needs.iter().all(is_pki);
        let has_other_work = is_about_pki || self.modes.contains(&Mode::Launcher);
        !self.is_judged_last() && (self.names_kv_mount || !has_other_work)
    }

    /// Whether it applies whatever the agent does.
    #[must_use]
    pub fn is_ambient(&self) -> bool {
        self.profile == AMBIENT
    }

    /// Whether its scenario does nothing itself, and is checked with what was seen in others.
    #[must_use]
    pub fn is_judged_last(&self) -> bool {
        self.is_ambient() || self.seen_in.is_some()
    }

    /// The names of the sources that demand it, each once.
    #[must_use]
    pub fn source_names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for name in self.sources.iter().map(|place| place.source.name()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// An invalid feature.
#[derive(Clone, Debug, thiserror::Error)]
#[error("feature {file}: {problem}")]
pub struct FeatureError {
    file: String,
    problem: String,
}

/// All requirements, in the order of the features.
///
/// # Errors
/// If a feature cannot be parsed, or a rule lacks its id, level, source or keyword.
pub fn all() -> Result<Vec<Requirement>, FeatureError> {
    // Reading the features takes as long as running a few scenarios.
    static READ: LazyLock<Result<Vec<Requirement>, FeatureError>> = LazyLock::new(read);
    READ.clone()
}

fn read() -> Result<Vec<Requirement>, FeatureError> {
    let mut files: Vec<_> = FEATURES
        .dirs()
        .flat_map(Dir::files)
        .filter(|file| file.path().extension().is_some_and(|e| e == "feature"))
        .collect();
    files.sort_by_key(|file| file.path());

    let mut requirements = Vec::new();
    for file in files {
        let name = file.path().display().to_string();
        let profile = file
            .path()
            .parent()
            .map(|dir| dir.display().to_string())
            .unwrap_or_default();
        let text = file.contents_utf8().unwrap_or_default();
        requirements.extend(of_feature(&name, &profile, text)?);
    }
    Ok(requirements)
}

/// The value of a tag that names a column of an outline: `<operation>` is the row's operation, `<mode>` its mode.
fn resolved<'a>(scenario: &'a gherkin::Scenario, said: &'a str) -> Option<&'a str> {
    let Some(column) = said.strip_prefix('<').and_then(|s| s.strip_suffix('>')) else {
        return Some(said);
    };
    let header = scenario.examples.first()?.table.as_ref()?.rows.first()?;
    let mut cells = header.iter().zip(cells(scenario)?);
    cells.find_map(|(name, cell)| (name == column).then_some(cell.as_str()))
}

/// The values of the row of a scenario, if it comes from an outline.
fn cells(scenario: &gherkin::Scenario) -> Option<&[String]> {
    match scenario.examples.first()?.table.as_ref()?.rows.as_slice() {
        [_, row] => Some(row),
        _ => None,
    }
}

/// The versions of the KV engine that the steps of a scenario name.
fn kv_versions(scenario: &gherkin::Scenario) -> BTreeSet<u8> {
    let steps = scenario.steps.iter().map(|step| step.value.as_str());
    let named = steps.flat_map(|step| step.split("KV version ").skip(1));
    let digits = named.filter_map(|rest| rest.chars().next()?.to_digit(10));
    digits
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect()
}

/// The name of a row in keys: what can be read of its values, and six hexadecimal digits of their SHA-256. It does not
/// depend on the rows beside it, and can stand in a file name, a TOML string and a shell word.
fn row_name(cells: &[String]) -> String {
    /// The number of characters shown of the values.
    const READABLE: usize = 32;
    let plain = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9') => letter,
        _ => '-',
    };
    let text: String = cells.join("-").chars().map(plain).collect();
    let words: Vec<_> = text.split('-').filter(|word| !word.is_empty()).collect();
    let mut readable = words.join("-");
    readable.truncate(READABLE);
    let hash = Sha256::digest(cells.join("\u{1f}"));
    let hash: String = hash
        .iter()
        .take(3)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    match readable.trim_end_matches('-') {
        "" => hash,
        readable => format!("{readable}-{hash}"),
    }
}

fn of_feature(file: &str, profile: &str, text: &str) -> Result<Vec<Requirement>, FeatureError> {
    let wrong = |problem: String| FeatureError {
        file: file.to_owned(),
        problem,
    };
    let mut feature = gherkin::Feature::parse(text, GherkinEnv::default())
        .map_err(|error| wrong(error.to_string()))?
        .expand_examples()
        .map_err(|error| wrong(error.to_string()))?;
    let rules = std::mem::take(&mut feature.rules);
    if let Some(stray) = feature.scenarios.first() {
        let problem = format!("the scenario {:?} stands below no rule", stray.name);
        return Err(wrong(problem));
    }
    let feature = Arc::new(feature);

    let mut requirements: Vec<Requirement> = Vec::new();
    for mut rule in rules {
        let scenarios = std::mem::take(&mut rule.scenarios);
        let of_rule = of_rule(profile, &feature, &rule, scenarios)
            .map_err(|problem| wrong(format!("the rule {:?} {problem}", rule.name)))?;
        let taken = requirements.iter().find(|r| r.id == of_rule[0].id);
        if let Some(taken) = taken {
            return Err(wrong(format!("the id {} is taken twice", taken.id)));
        }
        requirements.extend(of_rule);
    }
    Ok(requirements)
}

/// The scenarios of one rule; at least one.
fn of_rule(
    profile: &str,
    feature: &Arc<gherkin::Feature>,
    rule: &gherkin::Rule,
    scenarios: Vec<gherkin::Scenario>,
) -> Result<Vec<Requirement>, String> {
    if rule.background.is_some() {
        return Err("has a background: put its steps into the scenarios".to_owned());
    }
    if scenarios.is_empty() {
        return Err("has no scenario".to_owned());
    }
    let mut requirements: Vec<Requirement> = Vec::new();
    for mut scenario in scenarios {
        scenario.tags.splice(0..0, rule.tags.iter().cloned());
        let title = scenario.name.clone();
        let mut requirement = of_scenario(profile, feature, &rule.name, scenario)
            .map_err(|problem| format!("has a scenario {title:?} that {problem}"))?;
        if !rule.tags.contains(&requirement.id) {
            return Err(format!("has no id @{profile}.something"));
        }
        requirement.row = cells(&requirement.scenario).map(row_name);
        if requirements.iter().any(|r| r.row == requirement.row) {
            let row = requirement.row.as_deref().unwrap_or("none");
            return Err(format!(
                "has two scenarios with the same key: {} with the row {row}",
                requirement.id
            ));
        }
        requirements.push(requirement);
    }
    keyword_problem(&rule.name, requirements[0].level).map_or(Ok(requirements), Err)
}

/// The problem with the keywords of a requirement, if there is one.
fn keyword_problem(demand: &str, level: Level) -> Option<String> {
    let has = |keyword: &str| {
        demand
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| word == keyword)
    };
    let (wanted, other) = match level {
        Level::Must => ("MUST", "SHOULD"),
        Level::Should => ("SHOULD", "MUST"),
    };
    if !has(wanted) {
        return Some(format!("does not say {wanted}, its level"));
    }
    has(other).then(|| format!("says {other}, and its level is {wanted}"))
}

fn of_scenario(
    profile: &str,
    feature: &Arc<gherkin::Feature>,
    demand: &str,
    scenario: gherkin::Scenario,
) -> Result<Requirement, String> {
    let (mut id, mut level, mut transport) = (None, None, None);
    let (mut sources, mut needs, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    let (mut slow, mut own_target, mut seen_in) = (false, false, None);
    let (mut era, mut modes) = (None, Vec::new());
    let mut every_revision = false;
    let mut kv_versions = kv_versions(&scenario);
    let names_kv_mount = !kv_versions.is_empty();
    let is_about_revisions = |tag: &&String| *tag == EVERY_REVISION || tag.starts_with("era:");
    let of_feature = feature.tags.iter().filter(is_about_revisions);
    for tag in of_feature.chain(&scenario.tags) {
        match tag.split_once(':') {
            Some(("source", name)) => {
                sources.push(Place::of_tag(name).map_err(|problem| format!("names {problem}"))?)
            }
            Some(("needs", names)) => {
                let named = resolved(&scenario, names).unwrap_or(names).split('|');
                let named = named.map(|name| {
                    let unknown = || format!("needs the unknown operation {name}");
                    Operation::named(name).ok_or_else(unknown)
                });
                needs.push(Need(named.collect::<Result<_, _>>()?));
            }
            Some(("evidence", name)) => evidence.push(
                Evidence::named(name)
                    .ok_or_else(|| format!("names the unknown evidence {name}"))?,
            ),
            Some(("transport", name)) => {
                transport = Some(
                    TransportKind::named(name)
                        .ok_or_else(|| format!("names the unknown transport {name}"))?,
                );
            }
            Some(("era", name)) => {
                era =
                    Some(Era::named(name).ok_or_else(|| format!("names the unknown era {name}"))?);
            }
            Some(("mode", name)) => modes.push(
                resolved(&scenario, name)
                    .and_then(Mode::named)
                    .ok_or_else(|| format!("names the unknown mode {name}"))?,
            ),
            Some(("seen-in", id)) => seen_in = Some(id.to_owned()),
            None if tag == EVERY_REVISION => every_revision = true,
            None if tag == "any-kv-version" => kv_versions.clear(),
            None if tag == "slow" => slow = true,
            None if tag == "own-target" => own_target = true,
            None if tag == "own-vault" => evidence.push(Evidence::DedicatedVault),
            None if tag == "must" => level = Some(Level::Must),
            None if tag == "should" => level = Some(Level::Should),
            None if tag.starts_with(&format!("{profile}.")) => id = Some(tag.clone()),
            _ => return Err(format!("has the unknown tag @{tag}")),
        }
    }
    if sources.is_empty() {
        return Err("names no source".to_owned());
    }
    // Only if the suite starts the server can it choose the mode.
    if !modes.is_empty() && !evidence.contains(&Evidence::Launch) {
        evidence.push(Evidence::Launch);
    }
    Ok(Requirement {
        id: id.ok_or_else(|| format!("has no id @{profile}.something"))?,
        profile: profile.to_owned(),
        demand: demand.to_owned(),
        level: level.ok_or("is neither @must nor @should")?,
        sources,
        needs,
        evidence,
        transport,
        era,
        every_revision,
        modes,
        kv_versions,
        names_kv_mount,
        seen_in,
        own_target,
        slow,
        row: None,
        feature: Arc::clone(feature),
        scenario,
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{Need, all, of_feature, row_name};
    use crate::{
        adapter::launch::Mode,
        engines::{Operation, kv::Kv},
        transport::TransportKind,
    };

    const RIGHT: &str = "Feature: f\n  @kv.a @must @source:SEC:token-disclosure\n  Rule: A server MUST x\n\
        \n    Scenario: s\n      Given x\n";

    /// A rule of this profile with an outline, whose steps and rows are these.
    fn outline(tags: &str, title: &str, examples: &str) -> String {
        let (rule, scenario) = tags.split_once(" / ").unwrap_or((tags, ""));
        format!(
            "Feature: f\n  {rule} @must @source:SEC:token-disclosure\n  Rule: A server MUST x\n\
             \n    {scenario}\n    Scenario Outline: {title}\n      Given x\n\n{examples}"
        )
    }

    #[test]
    fn every_embedded_feature_is_usable() {
        let requirements = all().unwrap();
        assert!(requirements.len() > 20, "{}", requirements.len());
    }

    #[test]
    fn an_id_belongs_to_one_rule_and_each_has_a_sentence_of_its_own() {
        let requirements = all().unwrap();
        for one in &requirements {
            for other in &requirements {
                assert_eq!(
                    one.id == other.id,
                    one.demand == other.demand,
                    "{} and {} say {:?}",
                    one.id,
                    other.id,
                    one.demand
                );
            }
        }
    }

    #[test]
    fn a_demand_is_one_sentence_that_can_be_quoted() {
        for requirement in all().unwrap() {
            let demand = &requirement.demand;
            let begins = demand.starts_with(|c: char| c.is_uppercase() || c == '`');
            let words = demand.split_whitespace().count();
            assert!(
                begins && !demand.ends_with('.') && words <= 30,
                "{words} words: {demand}"
            );
        }
    }

    #[test]
    fn what_is_seen_in_another_requirement_names_one_that_exists() {
        let requirements = all().unwrap();
        for seen_in in requirements.iter().filter_map(|r| r.seen_in.as_ref()) {
            assert!(requirements.iter().any(|r| r.id == *seen_in), "{seen_in}");
        }
    }

    #[test]
    fn a_row_can_name_the_operation_that_it_needs() {
        let text = outline(
            "@kv.a / @needs:<what>",
            "s <what>",
            "      Examples:\n        | what |\n        | kv.read |\n        | kv.list |\n",
        );
        let needs: Vec<_> = of_feature("f", "kv", &text)
            .unwrap()
            .into_iter()
            .flat_map(|r| r.needs)
            .collect();
        let one = |operation| Need(vec![Operation::Kv(operation)]);
        assert_eq!(needs, [one(Kv::Read), one(Kv::List)]);
        assert!(of_feature("f", "kv", &text.replace("kv.list", "kv.lost")).is_err());
        assert!(of_feature("f", "kv", &text.replace("@needs:<what>", "@needs:<who>")).is_err());
    }

    #[test]
    fn a_row_can_name_its_mode_and_its_examples_have_tags_of_their_own() {
        let text = outline(
            "@mcp.a / @mode:<mode>",
            "s <mode>",
            "      Examples:\n        | mode |\n        | read_only |\n\
             \n      @transport:http @mode:tls\n      Examples:\n        | mode |\n        | all_interfaces |\n",
        );
        let rows: Vec<_> = of_feature("f", "mcp", &text)
            .unwrap()
            .into_iter()
            .map(|r| (r.modes, r.transport))
            .collect();
        let of_http = vec![Mode::AllInterfaces, Mode::Tls];
        assert_eq!(
            rows,
            [
                (vec![Mode::ReadOnly], None),
                (of_http, Some(TransportKind::Http))
            ]
        );
        assert!(of_feature("f", "mcp", &text.replace("read_only", "readonly")).is_err());
    }

    #[test]
    fn every_mode_in_which_a_client_can_connect_is_asked_to_let_it() {
        let asked: Vec<_> = all()
            .unwrap()
            .into_iter()
            .filter(|r| r.id == "mcp.initialize-in-every-mode")
            .flat_map(|r| r.modes)
            .collect();
        for mode in Mode::ALL {
            let has_server = mode != Mode::Launcher;
            assert_eq!(asked.contains(&mode), has_server, "{mode}");
        }
    }

    #[test]
    fn another_operation_can_stand_in_for_the_one_that_is_needed() {
        let text = outline(
            "@kv.a / @needs:kv.write_key|kv.write",
            "s <n>",
            "      Examples:\n        | n |\n        | 1 |\n",
        );
        let needs = &of_feature("f", "kv", &text).unwrap()[0].needs;
        let [need] = needs.as_slice() else {
            panic!("{needs:?}")
        };
        assert_eq!(need.to_string(), "kv.write_key or kv.write");
        for offered in Kv::ALL {
            let met = need.is_met(|operation| *operation == Operation::Kv(offered));
            assert_eq!(met, matches!(offered, Kv::Write | Kv::WriteKey));
        }
        assert!(of_feature("f", "kv", &text.replace("|kv.write", "|kv.writ")).is_err());
        assert!(of_feature("f", "kv", &text.replace("|kv.write", "|")).is_err());
    }

    #[test]
    fn the_policy_matrix_has_a_row_for_each_operation_in_order() {
        let rows: Vec<_> = all()
            .unwrap()
            .into_iter()
            .filter(|r| r.id == "policy.matrix")
            .flat_map(|r| r.needs)
            .flat_map(|need| need.0)
            .collect();
        assert_eq!(rows, Operation::ALL);
    }

    #[test]
    fn a_row_is_named_by_its_values_wherever_it_stands() {
        let text = outline(
            "@kv.a",
            "s <v>",
            "      Examples: one\n        | v |\n        | 1 |\n        | 2 |\n\
             \n      Examples: two\n        | v |\n        | 3 |\n",
        );
        let rows = |text: &str| -> Vec<_> {
            let requirements = of_feature("f", "kv", text).unwrap();
            requirements.into_iter().filter_map(|r| r.row).collect()
        };
        let named = rows(&text);
        assert_eq!(named, ["1-6b86b2", "2-d4735e", "3-4e0740"]);
        let inserted = text.replace("| 1 |", "| 0 |\n        | 1 |");
        assert_eq!(rows(&inserted)[1..], named);
        let twice = text.replace("| 2 |", "| 3 |");
        let error = of_feature("f", "kv", &twice).unwrap_err();
        assert!(
            error.to_string().contains("kv.a with the row 3-4e0740"),
            "{error}"
        );
    }

    #[test]
    fn a_rule_without_id_level_source_keyword_or_scenario_is_refused() {
        assert!(of_feature("f", "kv", RIGHT).is_ok());
        for (from, to, problem) in [
            ("@must ", "", "neither @must nor @should"),
            ("@source:SEC:token-disclosure", "", "names no source"),
            ("@kv.a", "", "has no id @kv.something"),
            ("@kv.a", "@kv.a @needs:kv.raed", "unknown operation"),
            ("@kv.a", "@kv.a @evidence:odit", "unknown evidence"),
            ("@kv.a", "@kv.a @musst", "unknown tag"),
            ("@kv.a", "@kv.a @era:stone", "unknown era"),
            ("@kv.a", "@kv.a @mode:readonly", "unknown mode"),
            ("@kv.a", "@kv.a @source:RUMOUR:x", "unknown source RUMOUR"),
            ("@kv.a", "@kv.a @source:SEC", "without a place"),
            ("MUST", "must", "does not say MUST"),
            ("MUST", "SHOULD", "does not say MUST"),
            ("MUST x", "MUST x and SHOULD y", "says SHOULD"),
            ("    Scenario: s\n      Given x\n", "", "has no scenario"),
            ("  Rule: A server MUST x\n", "", "stands below no rule"),
            (
                "    Scenario: s",
                "    Background:\n      Given y\n    Scenario: s",
                "has a background",
            ),
            (
                "    Scenario: s",
                "    Scenario: r\n      Given y\n    Scenario: s",
                "the same key",
            ),
        ] {
            let text = RIGHT.replace(from, to);
            let error = of_feature("f", "kv", &text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
        let twice = format!("{RIGHT}{}", RIGHT.trim_start_matches("Feature: f\n"));
        let error = of_feature("f", "kv", &twice).unwrap_err().to_string();
        assert!(error.contains("kv.a is taken twice"), "{error}");
    }

    #[test]
    fn every_mode_is_one_that_some_scenario_is_about() {
        let requirements = all().unwrap();
        for mode in Mode::ALL {
            let mut modes = requirements.iter().flat_map(|r| &r.modes);
            assert!(modes.any(|asked| *asked == mode), "{mode}");
        }
    }

    proptest! {
        #[test]
        fn a_name_of_a_row_is_a_plain_word(cells in vec(".*", 1..4)) {
            let name = row_name(&cells);
            let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-');
            prop_assert!(name.len() <= 40 && name.chars().all(plain), "{name}");
            prop_assert!(!name.starts_with('-') && !name.ends_with('-'), "{name}");
        }
    }
}
