//! Who demands a requirement: the sources, and the places in them that tags cite. `docs/sources.md` lists all places,
//! each with the sentence that demands it.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{suggest::did_you_mean, transport::Revision};

static PAGE: &str = include_str!("../../docs/sources.md");

/// A source that demands requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The specification of the protocol.
    Mcp,
    /// Vault and its documentation.
    Vault,
    /// Standards of the IETF.
    Rfc,
    /// Safety: demanded by this project.
    Sec,
    /// The tutorial.
    Tut,
    /// The blog post.
    Blog,
    /// The builder's guide.
    Guide,
    /// The architecture page of a kagent deployment.
    Kag,
    /// The guide to credentials for agents.
    Gho,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 9] = [
        Self::Mcp,
        Self::Vault,
        Self::Rfc,
        Self::Sec,
        Self::Tut,
        Self::Blog,
        Self::Guide,
        Self::Kag,
        Self::Gho,
    ];

    /// The name of the source in tags and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mcp => "MCP",
            Self::Vault => "VAULT",
            Self::Rfc => "RFC",
            Self::Sec => "SEC",
            Self::Tut => "TUT",
            Self::Blog => "BLOG",
            Self::Guide => "GUIDE",
            Self::Kag => "KAG",
            Self::Gho => "GHO",
        }
    }

    /// The source with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// A place in a source, as tags and reports name it: `TUT:create-a-policy`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The source.
    pub source: Source,
    /// The section, as the source's own addresses name it. A word after `+` distinguishes several sentences of one
    /// section.
    pub section: String,
}

/// The form used in tags.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.name(), self.section)
    }
}

impl Place {
    /// Parses the place in a tag, after `source:`.
    ///
    /// # Errors
    /// If the source does not exist, or the place is not in the list. The message lists those that exist.
    pub(crate) fn of_tag(text: &str) -> Result<Self, String> {
        let (name, section) = text.split_once(':').unwrap_or((text, ""));
        let source = Source::named(name).ok_or_else(|| {
            let hint = did_you_mean(name, &Source::ALL.map(Source::name));
            format!("the unknown source {name}{hint}")
        })?;
        let place = Self {
            source,
            section: section.to_owned(),
        };
        if cited()?.contains_key(&place) {
            return Ok(place);
        }
        let known = cited()?.keys().filter(|known| known.source == source);
        let known: Vec<_> = known.map(|known| known.section.as_str()).collect();
        let hint = did_you_mean(section, &known);
        Err(format!(
            "the source {name} without a place that docs/sources.md lists{hint}"
        ))
    }

    /// The text of the place, and its address.
    #[must_use]
    pub fn citation(&self) -> Option<&'static Citation> {
        cited().ok()?.get(self)
    }
}

/// The text of a place in a source, and its address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Citation {
    /// The title of the document.
    pub title: String,
    /// The heading of the section; for `SEC`, the harm.
    pub section: String,
    /// The sentence that demands it; for `SEC`, what could go wrong.
    pub quote: String,
    /// The address, if the place is published and is the same for all revisions of MCP.
    pub address: Option<String>,
    /// The address for each revision of MCP that has the place.
    pub revisions: BTreeMap<String, String>,
}

impl Citation {
    /// The address for a target that was tested in this revision.
    #[must_use]
    pub fn address_in(&self, revision: &str) -> Option<&str> {
        let newest = || self.revisions.values().next_back();
        let address = self.address.as_ref();
        let address = address.or_else(|| self.revisions.get(revision).or_else(newest));
        address.map(String::as_str)
    }
}

/// All places in `docs/sources.md`.
fn cited() -> Result<&'static BTreeMap<Place, Citation>, String> {
    static CITED: LazyLock<Result<BTreeMap<Place, Citation>, String>> =
        LazyLock::new(|| places(PAGE));
    CITED.as_ref().map_err(Clone::clone)
}

fn places(page: &str) -> Result<BTreeMap<Place, Citation>, String> {
    let mut places = BTreeMap::new();
    for part in page.split("\n## ").skip(1) {
        let wrong = |line: &str, problem: &str| format!("docs/sources.md: {problem}: {line}");
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        let source = Source::named(name.trim()).ok_or_else(|| wrong(name, "an unknown source"))?;
        let document = Document::of(text).ok_or_else(|| wrong(name, "a source without a title"))?;
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        for row in rows {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let section = cells[0].trim_matches('`').to_owned();
            let place = Place { source, section };
            let citation = document
                .citation(&place, &cells[1..])
                .ok_or_else(|| wrong(row, "a row of another form than its table"))?;
            if places.insert(place, citation).is_some() {
                return Err(wrong(row, "a place that is listed twice"));
            }
        }
    }
    Ok(places)
}

/// The title and address of a source: the text and the target of the first link, or otherwise the first line.
struct Document<'p> {
    title: &'p str,
    address: Option<&'p str>,
}

impl<'p> Document<'p> {
    fn of(text: &'p str) -> Option<Self> {
        let line = text.lines().find(|line| !line.trim().is_empty())?;
        let link = line.strip_prefix('[').and_then(|link| {
            let (title, rest) = link.split_once("](")?;
            Some((title, rest.split_once(')')?.0))
        });
        Some(match link {
            Some((title, address)) => Self {
                title,
                address: Some(address),
            },
            None => Self {
                title: line.split_once(": ").map_or(line, |(title, _)| title),
                address: None,
            },
        })
    }

    /// The citation of a place, from the cells of its row after the first.
    fn citation(&self, place: &Place, cells: &[&str]) -> Option<Citation> {
        let (section, columns, quote) = match cells {
            [section, columns @ .., quote] => (section, columns, quote),
            _ => return None,
        };
        let fragment = place.section.split('+').next()?;
        let mut revisions = BTreeMap::new();
        let address = match (place.source, self.address) {
            (Source::Mcp, Some(base)) => {
                if columns.len() != Revision::ALL.len() {
                    return None;
                }
                for (revision, path) in Revision::ALL.iter().zip(columns) {
                    let path = path.trim_matches('`');
                    let path = if path == "=" { fragment } else { path };
                    if path != "-" {
                        revisions.insert(revision.to_string(), format!("{base}{revision}/{path}"));
                    }
                }
                None
            }
            (_, None) => None,
            (Source::Vault, Some(base)) => Some(format!("{base}{fragment}")),
            (Source::Rfc, Some(base)) => {
                let (number, section) = fragment.split_once('#')?;
                Some(format!("{base}rfc{number}#section-{section}"))
            }
            (_, Some(base)) => Some(format!("{base}#{fragment}")),
        };
        Some(Citation {
            title: self.title.to_owned(),
            section: (*section).to_owned(),
            quote: (*quote).to_owned(),
            address,
            revisions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Source, cited, places};
    use crate::requirement;

    #[test]
    fn every_listed_place_has_a_section_and_a_quote_and_is_cited() {
        let requirements = requirement::all().unwrap();
        for (place, citation) in cited().unwrap() {
            assert!(
                !citation.section.is_empty() && !citation.quote.is_empty(),
                "{place}"
            );
            let mut citing = requirements.iter().flat_map(|r| &r.sources);
            assert!(citing.any(|cited| cited == place), "nothing cites {place}");
            let is_published = !matches!(place.source, Source::Sec | Source::Kag);
            let is_found = citation.address_in("2025-11-25").is_some();
            assert_eq!(is_found, is_published, "{place}");
        }
    }

    #[test]
    fn an_address_leads_to_the_section_in_the_revision_of_the_target() {
        let page = "# S\n\n## MCP\n\n[The specification](https://mcp.example/), as of today.\n\n| place | section | a | b | c | says |\n|---|---|---|---|---|---|\n\
            | `basic/x#y+z` | Y | `=` | `-` | `basic/z` | Servers MUST. |\n\n## RFC\n\n[RFCs](https://rfc.example/)\n\n| `9110#15.5.2` | 401 | It is so. |\n\n\
            ## SEC\n\nSafety: what no server may do.\n\n| `leak` | a leak | Tokens are seen. |\n";
        let places = places(page).unwrap();
        let of = |source, section: &str| {
            let section = section.to_owned();
            &places[&Place { source, section }]
        };
        let mcp = of(Source::Mcp, "basic/x#y+z");
        let address = |revision| mcp.address_in(revision);
        assert_eq!(
            address("2025-06-18"),
            Some("https://mcp.example/2025-06-18/basic/x#y")
        );
        assert_eq!(
            address("2026-07-28"),
            Some("https://mcp.example/2026-07-28/basic/z")
        );
        assert_eq!(address("2025-11-25"), address("2026-07-28"));
        let rfc = of(Source::Rfc, "9110#15.5.2");
        assert_eq!(
            rfc.address.as_deref(),
            Some("https://rfc.example/rfc9110#section-15.5.2")
        );
        let sec = of(Source::Sec, "leak");
        assert_eq!((sec.title.as_str(), &sec.address), ("Safety", &None));
        assert_eq!(sec.quote, "Tokens are seen.");
    }

    #[test]
    fn a_tag_that_names_no_place_of_the_list_is_answered_with_the_likely_one() {
        let place = cited()
            .unwrap()
            .keys()
            .find(|p| p.source == Source::Tut)
            .unwrap();
        assert_eq!(Place::of_tag(&place.to_string()).as_ref(), Ok(place));
        let misspelt = format!("{place}x");
        let error = Place::of_tag(&misspelt).unwrap_err();
        assert!(
            error.contains(&format!("did you mean {:?}", place.section)),
            "{error}"
        );
        for (tag, hint) in [
            ("VALT:x", "did you mean \"VAULT\"?"),
            ("TUT", "without a place"),
        ] {
            let error = Place::of_tag(tag).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }
}
