//! The tables of all users with their columns and rows. Knows no HTTP.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Asker;

/// Why the app refuses.
#[derive(Debug)]
pub(super) enum TablesError {
    /// No such table of this user.
    NoTable,
    /// No such row.
    NoRow,
    /// A row of somebody else, which the user wants to change.
    HiddenRow,
    /// A row of somebody else, which the user wants to read.
    ForeignRow(u64),
    /// A value for a column that the table does not have.
    NoColumn { column: String, table: u64 },
    /// A parameter is missing or wrong.
    Bad(&'static str),
}

/// The tables of all users; family data of the server.
#[derive(Default)]
pub(super) struct Tables {
    all: BTreeMap<u64, Table>,
    last_table: u64,
    last_column: u64,
    last_row: u64,
}

/// A table.
pub(super) struct Table {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) emoji: String,
    pub(super) owner: String,
    pub(super) owner_name: String,
    pub(super) created_at: u64,
    pub(super) columns: Vec<Column>,
    pub(super) rows: BTreeMap<u64, Row>,
}

/// A column as it was asked for.
pub(super) struct Column {
    pub(super) id: u64,
    pub(super) created_at: u64,
    /// The members that were sent.
    pub(super) given: Map<String, Value>,
}

impl Column {
    pub(super) fn text(&self, member: &str) -> &str {
        self.given
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// A row.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) table: u64,
    pub(super) author: String,
    pub(super) created_at: u64,
    pub(super) editor: String,
    pub(super) edited_at: u64,
    /// By column.
    pub(super) cells: BTreeMap<u64, Value>,
}

impl Tables {
    /// The tables of a user.
    pub(super) fn of<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a Table> {
        self.all.values().filter(move |table| table.owner == uid)
    }

    /// A table, whoever owns it.
    pub(super) fn any(&self, id: u64) -> Option<&Table> {
        self.all.get(&id)
    }

    /// A table of a user.
    pub(super) fn get(&self, uid: &str, id: u64) -> Result<&Table, TablesError> {
        let table = self.all.get(&id).filter(|table| table.owner == uid);
        table.ok_or(TablesError::NoTable)
    }

    fn get_mut(&mut self, uid: &str, id: u64) -> Result<&mut Table, TablesError> {
        let table = self.all.get_mut(&id).filter(|table| table.owner == uid);
        table.ok_or(TablesError::NoTable)
    }

    pub(super) fn create(
        &mut self,
        asker: &Asker,
        title: Option<&str>,
        emoji: Option<&str>,
    ) -> Result<&Table, TablesError> {
        let title = title
            .filter(|title| !title.is_empty())
            .ok_or(TablesError::Bad("Cannot create table: title is missing."))?;
        self.last_table += 1;
        let id = self.last_table;
        let table = Table {
            id,
            title: title.to_owned(),
            emoji: emoji.unwrap_or_default().to_owned(),
            owner: asker.uid.clone(),
            owner_name: asker.name.clone(),
            created_at: asker.now,
            columns: Vec::new(),
            rows: BTreeMap::new(),
        };
        Ok(self.all.entry(id).or_insert(table))
    }

    pub(super) fn remove(&mut self, uid: &str, id: u64) -> Result<Table, TablesError> {
        self.get(uid, id)?;
        self.all.remove(&id).ok_or(TablesError::NoTable)
    }

    pub(super) fn add_column(
        &mut self,
        asker: &Asker,
        table: u64,
        given: Map<String, Value>,
    ) -> Result<(&Table, &Column), TablesError> {
        self.last_column += 1;
        let id = self.last_column;
        let table = self.get_mut(&asker.uid, table)?;
        let is_titled = given.get("title").and_then(Value::as_str).is_some();
        if !is_titled {
            return Err(TablesError::Bad("Cannot create column: title is missing."));
        }
        table.columns.push(Column {
            id,
            created_at: asker.now,
            given,
        });
        let table = &*table;
        table
            .columns
            .last()
            .map(|column| (table, column))
            .ok_or(TablesError::NoTable)
    }

    pub(super) fn add_row(
        &mut self,
        asker: &Asker,
        table: u64,
        data: &Value,
    ) -> Result<Row, TablesError> {
        let next = self.last_row + 1;
        let table = self.get_mut(&asker.uid, table)?;
        let row = Row {
            id: next,
            table: table.id,
            author: asker.uid.clone(),
            created_at: asker.now,
            editor: asker.uid.clone(),
            edited_at: asker.now,
            cells: table.cells(data)?,
        };
        table.rows.insert(next, row.clone());
        self.last_row = next;
        Ok(row)
    }

    /// A row that a user may read.
    pub(super) fn row(&self, uid: &str, id: u64) -> Result<&Row, TablesError> {
        let mut tables = self.all.values();
        let found = tables.find_map(|table| Some((table, table.rows.get(&id)?)));
        match found {
            None => Err(TablesError::NoRow),
            Some((table, _)) if table.owner != uid => Err(TablesError::ForeignRow(id)),
            Some((_, row)) => Ok(row),
        }
    }

    fn own_row(&self, uid: &str, id: u64) -> Result<u64, TablesError> {
        match self.row(uid, id) {
            Ok(row) => Ok(row.table),
            Err(TablesError::ForeignRow(_)) => Err(TablesError::HiddenRow),
            Err(error) => Err(error),
        }
    }

    pub(super) fn change_row(
        &mut self,
        asker: &Asker,
        id: u64,
        data: &Value,
    ) -> Result<Row, TablesError> {
        let table = self.own_row(&asker.uid, id)?;
        let table = self.get_mut(&asker.uid, table)?;
        let cells = table.cells(data)?;
        let row = table.rows.get_mut(&id).ok_or(TablesError::NoRow)?;
        row.cells.extend(cells);
        row.editor.clone_from(&asker.uid);
        row.edited_at = asker.now;
        Ok(row.clone())
    }

    pub(super) fn remove_row(&mut self, uid: &str, id: u64) -> Result<Row, TablesError> {
        let table = self.own_row(uid, id)?;
        let table = self.get_mut(uid, table)?;
        table.rows.remove(&id).ok_or(TablesError::NoRow)
    }
}

impl Table {
    /// The values of a row, in the form that their columns keep.
    fn cells(&self, data: &Value) -> Result<BTreeMap<u64, Value>, TablesError> {
        let data = data.as_object().ok_or(TablesError::Bad(
            "Cannot create row: data input is invalid.",
        ))?;
        let cells = data.iter().map(|(key, value)| {
            let column = self
                .columns
                .iter()
                .find(|column| column.id.to_string() == *key)
                .ok_or_else(|| TablesError::NoColumn {
                    column: key.clone(),
                    table: self.id,
                })?;
            Ok((column.id, kept(column, value)))
        });
        cells.collect()
    }
}

/// What a column keeps of a value; what does not fit becomes nothing.
fn kept(column: &Column, value: &Value) -> Value {
    match (column.text("type"), column.text("subtype")) {
        ("number", _) if value.is_number() => value.clone(),
        ("number", _) => {
            let text = value.as_str().unwrap_or_default();
            serde_json::from_str::<serde_json::Number>(text).map_or(Value::Null, Value::Number)
        }
        ("selection", "check") => {
            let is_checked = matches!(value, Value::Bool(true))
                || value
                    .as_str()
                    .is_some_and(|text| ["true", "1", "yes"].contains(&text));
            Value::from(if is_checked { "true" } else { "false" })
        }
        ("selection", "") => {
            let options = column
                .given
                .get("selectionOptions")
                .and_then(Value::as_array);
            let mut options = options.into_iter().flatten();
            let is_option = options.any(|option| option.get("id") == Some(value));
            if is_option {
                value.clone()
            } else {
                Value::Null
            }
        }
        _ => value.clone(),
    }
}
