//! The object's storage, for states that are too long for their attachment. One row for such a
//! peer.

use std::cell::Cell;
use std::collections::BTreeMap;

use signal_core::PeerId;
use worker::{Error, Result, SqlStorage, SqlStorageValue};

use crate::row::Row;

const FIND_TABLE: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'signal_rows'";
const CREATE_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS signal_rows (peer INTEGER PRIMARY KEY, state BLOB NOT NULL)";
const SELECT: &str = "SELECT peer, state FROM signal_rows";
const REPLACE: &str = "INSERT OR REPLACE INTO signal_rows (peer, state) VALUES (?, ?)";
const DELETE: &str = "DELETE FROM signal_rows WHERE peer = ?";

/// The rows. The table is made when the first one is written, so an object without such a peer
/// never writes.
#[derive(Debug)]
pub(crate) struct Overflow {
    sql: Option<SqlStorage>,
    has_table: Cell<bool>,
}

impl Overflow {
    /// The storage of a class, if it has one.
    pub(crate) fn new(sql: Option<SqlStorage>) -> Result<Self> {
        let has_table = match &sql {
            Some(sql) => sql
                .exec(FIND_TABLE, None)?
                .raw()
                .next()
                .transpose()?
                .is_some(),
            None => false,
        };
        Ok(Self {
            sql,
            has_table: Cell::new(has_table),
        })
    }

    /// A storage that does not work: what does not fit into an attachment cannot be kept.
    pub(crate) fn none() -> Self {
        Self {
            sql: None,
            has_table: Cell::new(false),
        }
    }

    /// All rows; none for one that cannot be read.
    pub(crate) fn read_all(&self) -> Result<BTreeMap<PeerId, Option<Row>>> {
        let mut rows = BTreeMap::new();
        let Some(sql) = self.sql.as_ref().filter(|_| self.has_table.get()) else {
            return Ok(rows);
        };
        for row in sql.exec(SELECT, None)?.raw() {
            let mut columns = row?.into_iter();
            if let (Some(SqlStorageValue::Integer(peer)), Some(SqlStorageValue::Blob(state))) =
                (columns.next(), columns.next())
            {
                rows.insert(PeerId::new(peer.unsigned_abs()), Row::from_bytes(&state));
            }
        }
        Ok(rows)
    }

    /// Writes a peer's row.
    pub(crate) fn write(&self, peer: PeerId, row: &Row) -> Result<()> {
        let sql = self
            .sql
            .as_ref()
            .ok_or_else(|| Error::from("no storage: declare the class with new_sqlite_classes"))?;
        if !self.has_table.get() {
            sql.exec(CREATE_TABLE, None)?;
            self.has_table.set(true);
        }
        sql.exec(
            REPLACE,
            vec![key(peer)?, SqlStorageValue::Blob(row.to_bytes())],
        )?;
        Ok(())
    }

    /// Removes a peer's row.
    pub(crate) fn remove(&self, peer: PeerId) -> Result<()> {
        if let Some(sql) = self.sql.as_ref().filter(|_| self.has_table.get()) {
            sql.exec(DELETE, vec![key(peer)?])?;
        }
        Ok(())
    }
}

fn key(peer: PeerId) -> Result<SqlStorageValue> {
    let number = i64::try_from(peer.as_u64())
        .map_err(|_| Error::from("a peer of this number cannot be kept"))?;
    SqlStorageValue::try_from_i64(number)
}
