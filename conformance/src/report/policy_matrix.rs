//! The policy matrix as tables: one row for each operation, one column for each policy. There is one table if all
//! transports agree, and one for each transport otherwise.

use crate::policy_matrix::PolicyCell;

/// What the words in a cell mean, for readers of the table.
pub(super) const LEGEND: &str = "policy matrix (! = server and Vault disagree)";

/// The matrix of one transport, or of all transports if they agree.
pub(super) struct Table<'a> {
    /// The transport; `None` if the table applies to all.
    pub(super) transport: Option<&'a str>,
    /// The columns.
    pub(super) policies: Vec<&'a str>,
    /// The operations, each with its cell for every policy; `None` for a cell that was not checked.
    pub(super) rows: Vec<(&'a str, Vec<Option<&'a PolicyCell>>)>,
}

/// The tables of a matrix; none if the matrix is empty.
pub(super) fn tables(cells: &[PolicyCell]) -> Vec<Table<'_>> {
    let transports = distinct(cells.iter().map(|cell| cell.transport.as_str()));
    let mut tables: Vec<_> = transports
        .into_iter()
        .map(|transport| table(cells, transport))
        .collect();
    if tables.len() > 1 && tables.iter().all(|table| shown(table) == shown(&tables[0])) {
        tables.truncate(1);
        tables[0].transport = None;
    }
    tables
}

/// All that is shown of a table, except its transport.
fn shown<'a>(table: &Table<'a>) -> Vec<(&'a str, Vec<String>)> {
    let words = |cells: &Vec<Option<&PolicyCell>>| cells.iter().copied().map(words).collect();
    let rows = table.rows.iter();
    rows.map(|(name, cells)| (*name, words(cells))).collect()
}

fn table<'a>(cells: &'a [PolicyCell], transport: &'a str) -> Table<'a> {
    let of = |cell: &&PolicyCell| cell.transport == transport;
    let policies = distinct(cells.iter().map(|cell| cell.policy.as_str()));
    let operations = distinct(cells.iter().filter(of).map(|cell| cell.operation.as_str()));
    let at = |operation: &str, policy: &str| {
        let mut cells = cells.iter().filter(of);
        cells.find(|cell| cell.operation == operation && cell.policy == policy)
    };
    let row = |operation| {
        let row = policies.iter().map(|policy| at(operation, policy));
        (operation, row.collect())
    };
    Table {
        transport: Some(transport),
        rows: operations.into_iter().map(row).collect(),
        policies,
    }
}

/// The text of a cell.
pub(super) fn words(cell: Option<&PolicyCell>) -> String {
    match cell {
        None => "-".to_owned(),
        Some(cell) if cell.is_met() => cell.target.words().to_owned(),
        Some(cell) => format!("! {}", cell.target.words()),
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}
