use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistakes, Place};
use super::table::{Given, Table, Value};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Keys are named up to this many characters.
const MAX_KEY: usize = 40;

/// Reads a TOML file into a table; none where it cannot be read at all.
pub(crate) fn read(path: &Path, mistakes: &mut Mistakes) -> Option<Table> {
    let file: Arc<str> = path.display().to_string().into();
    let place = |line| Place::File { file: file.clone(), line, key: String::new() };
    let bytes = mistakes.note(&place(0), bytes_of(path))?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            mistakes.add(&place(line), "is not UTF-8 text; save the file as UTF-8");
            return None;
        }
    };
    Document { file: file.clone(), text }.table(mistakes)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let named = "name another file with --config";
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => format!("there is no such file; create it, or {named}"),
        ErrorKind::PermissionDenied => format!("may not be read; make it readable, or {named}"),
        ErrorKind::IsADirectory => "is a folder; name the file in it with --config".to_owned(),
        _ => format!("cannot be read ({error}); {named}"),
    };
    let mut bytes = Vec::new();
    let opened = File::open(path).map_err(failed)?;
    opened.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than a configuration can be (1 MB); {named}"));
    }
    Ok(bytes)
}

/// A file's text, to find the lines of what stands in it.
struct Document<'a> {
    file: Arc<str>,
    text: &'a str,
}

impl Document<'_> {
    fn table(&self, mistakes: &mut Mistakes) -> Option<Table> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut last_line = 0;
        let mut readable = true;
        for error in &errors {
            let at = error.span().map_or(0..0, |span| span);
            let is_duplicate = error.message().starts_with("duplicate key");
            readable &= is_duplicate;
            let key = if is_duplicate { self.text.get(at.clone()).unwrap_or_default() } else { "" };
            let place = self.place(at.start, key);
            let Place::File { line, .. } = place else { continue };
            // What follows a mistake on its line is mostly its consequence.
            if line != last_line {
                mistakes.add(&place, self.syntax(error.message(), is_duplicate));
            }
            last_line = line;
        }
        readable.then(|| self.convert(table.get_ref(), self.place(0, ""), ""))
    }

    fn syntax(&self, message: &str, is_duplicate: bool) -> String {
        if is_duplicate {
            return "is given twice; remove one".to_owned();
        }
        let message = message.lines().next().unwrap_or_default().trim_end_matches(", expected nothing");
        format!("is not TOML ({message}); write KEY = VALUE, text in quotes")
    }

    fn convert(&self, table: &DeTable<'_>, place: Place, prefix: &str) -> Table {
        let mut converted = Table::new(place, prefix);
        for (key, value) in table {
            let short: String = key.get_ref().escape_debug().take(MAX_KEY).collect();
            let place = self.place(key.span().start, &format!("{prefix}{short}"));
            converted.insert(key.get_ref().to_string(), self.value(value, &place), place);
        }
        converted
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, place: &Place) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("a number that is too large"), Value::Whole),
            DeValue::Boolean(truth) => Value::Truth(*truth),
            DeValue::Float(_) => Value::Other("a number with a decimal point"),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.item(item, place)).collect()),
            DeValue::Table(table) => Value::Table(self.convert(table, place.clone(), &prefix(place))),
        }
    }

    fn item(&self, item: &Spanned<DeValue<'_>>, list: &Place) -> Given<Value> {
        let Place::File { key, .. } = list else {
            return Given::new(self.value(item, list), list.clone());
        };
        let place = self.place(item.span().start, key);
        Given::new(self.value(item, &place), place)
    }

    fn place(&self, offset: usize, key: &str) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Place::File { file: self.file.clone(), line, key: key.to_owned() }
    }
}

/// What the keys of the table there begin with.
fn prefix(place: &Place) -> String {
    match place {
        Place::File { key, .. } if !key.is_empty() => format!("{key}."),
        _ => String::new(),
    }
}
