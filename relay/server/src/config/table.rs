use std::collections::BTreeMap;

use super::mistake::{Mistakes, Place, quote};

/// A value, and where it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// What can be written behind a key.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    Whole(i64),
    Truth(bool),
    List(Vec<Given<Self>>),
    Table(Table),
    /// Something that no key takes, in words.
    Other(&'static str),
}

/// Keys and values as the user wrote them: each is fetched once, and what nobody asks for is a mistake.
#[derive(Debug)]
pub(crate) struct Table {
    place: Place,
    prefix: String,
    entries: BTreeMap<String, Given<Value>>,
    fetched: Vec<&'static str>,
    known: Vec<&'static str>,
}

impl<T> Given<T> {
    pub(crate) fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

impl Value {
    fn words(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Whole(_) => "a number",
            Self::Truth(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(words) => words,
        }
    }
}

impl Table {
    /// A table whose keys begin with `prefix`, such as `source.`.
    pub(crate) fn new(place: Place, prefix: &str) -> Self {
        Self {
            place,
            prefix: prefix.to_owned(),
            entries: BTreeMap::new(),
            fetched: Vec::new(),
            known: Vec::new(),
        }
    }

    /// Where the table itself was written.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn insert(&mut self, key: impl Into<String>, value: Value, place: Place) {
        self.entries.insert(key.into(), Given::new(value, place));
    }

    /// Whether a key that was fetched had been written.
    pub(crate) fn had(&self, key: &str) -> bool {
        self.fetched.contains(&key)
    }

    /// Fetches text, as `parse` reads it. `parse` says of text that it cannot read what is wrong, such as "is no port; …".
    pub(crate) fn text<T>(
        &mut self,
        key: &'static str,
        example: &str,
        mistakes: &mut Mistakes,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Given<T>> {
        let given = self.take(key)?;
        parse_text(given, key, example, mistakes, &parse)
    }

    /// Fetches text that is never shown, as `parse` reads it. `parse` says without it what is wrong, such as "is empty; …".
    pub(crate) fn hidden<T>(
        &mut self,
        key: &'static str,
        mistakes: &mut Mistakes,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Given<T>> {
        let Given { value, place } = self.take(key)?;
        let parsed = match value {
            Value::Text(text) => parse(&text),
            other => Err(format!("is {}; write text in quotes", other.words())),
        };
        mistakes.note(&place, parsed).map(|value| Given::new(value, place))
    }

    /// Fetches a list of text, or one text alone.
    pub(crate) fn text_or_texts<T>(
        &mut self,
        key: &'static str,
        example: &str,
        mistakes: &mut Mistakes,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Given<Vec<T>>> {
        match self.entries.get(key) {
            Some(Given { value: Value::List(_), .. }) => self.texts(key, example, mistakes, parse),
            _ => self.text(key, example, mistakes, parse).map(|one| Given::new(vec![one.value], one.place)),
        }
    }

    /// Fetches a list of text. One text alone is a mistake.
    pub(crate) fn texts<T>(
        &mut self,
        key: &'static str,
        example: &str,
        mistakes: &mut Mistakes,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Given<Vec<T>>> {
        let Given { value, place } = self.take(key)?;
        let items = match value {
            Value::List(items) => items,
            other => {
                let is = other.words();
                mistakes.add(&place, format!("is {is}; write a list: {key} = [{example}]"));
                return None;
            }
        };
        let read = items.into_iter().filter_map(|item| parse_text(item, key, example, mistakes, &parse));
        let read = read.map(|given| given.value).collect();
        Some(Given::new(read, place))
    }

    /// Fetches a whole number, as `parse` reads it.
    pub(crate) fn whole<T>(
        &mut self,
        key: &'static str,
        example: &str,
        mistakes: &mut Mistakes,
        parse: impl Fn(i64) -> Result<T, String>,
    ) -> Option<Given<T>> {
        let Given { value, place } = self.take(key)?;
        let number = match (value, &place) {
            (Value::Whole(number), _) => Ok(number),
            (Value::Text(text), Place::Flag(_) | Place::Environment(_)) => {
                let number = text.trim().parse().ok();
                number.ok_or_else(|| format!("{} is not a whole number; write {example}", quote(&text)))
            }
            (Value::Text(_), _) => Err(format!("is text; write a number without quotes: {key} = {example}")),
            (other, _) => Err(format!("is {}; write a whole number: {key} = {example}", other.words())),
        };
        let parsed = number.and_then(|number| parse(number).map_err(|what| format!("{number} {what}")));
        mistakes.note(&place, parsed).map(|value| Given::new(value, place))
    }

    /// Fetches `true` or `false`.
    pub(crate) fn truth(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Option<Given<bool>> {
        let Given { value, place } = self.take(key)?;
        let truth = match (value, &place) {
            (Value::Truth(truth), _) => Ok(truth),
            (Value::Text(text), Place::Flag(_) | Place::Environment(_)) => text
                .parse()
                .map_err(|_| format!("{} is neither true nor false; write one of them", quote(&text))),
            (Value::Text(_), _) => Err(format!("is text; write true or false without quotes: {key} = true")),
            (other, _) => Err(format!("is {}; write true or false: {key} = true", other.words())),
        };
        mistakes.note(&place, truth).map(|value| Given::new(value, place))
    }

    /// Fetches the table of `[key]`.
    pub(crate) fn table(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Option<Self> {
        let Given { value, place } = self.take(key)?;
        match value {
            Value::Table(table) => Some(table),
            other => {
                mistakes.add(&place, format!("is {}; write [{key}] above its keys", other.words()));
                None
            }
        }
    }

    /// Fetches the tables of `[[key]]`.
    pub(crate) fn tables(&mut self, key: &'static str, mistakes: &mut Mistakes) -> Vec<Self> {
        let Some(Given { value, place }) = self.take(key) else {
            return Vec::new();
        };
        let mut tables = Vec::new();
        let items = match value {
            Value::List(items) => items,
            other => vec![Given::new(Value::Other(other.words()), place)],
        };
        for Given { value, place } in items {
            match value {
                Value::Table(table) => tables.push(table),
                other => mistakes.add(
                    &place,
                    format!("is {}; write [[{key}]], in double brackets, above its keys", other.words()),
                ),
            }
        }
        tables
    }

    /// Names every key that nobody asked for.
    pub(crate) fn finish(self, mistakes: &mut Mistakes) {
        for (key, given) in &self.entries {
            let what = match self.suggestion(key) {
                Some(known) => format!("is not a key; did you mean {known}?"),
                None => format!("is not a key; remove it, the keys here are {}", self.known.join(", ")),
            };
            mistakes.add(&given.place, what);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Given<Value>> {
        self.known.push(key);
        let given = self.entries.remove(key);
        self.fetched.extend(given.as_ref().map(|_| key));
        given
    }

    /// The key that is most like a misspelt one.
    fn suggestion(&self, key: &str) -> Option<String> {
        let key = key.to_lowercase();
        let distance = |known: &&str| strsim::damerau_levenshtein(known, &key);
        let nearest = *self.known.iter().min_by_key(|known| distance(known))?;
        (distance(&nearest) <= 1 + nearest.len() / 4).then(|| format!("{}{nearest}", self.prefix))
    }
}

fn parse_text<T>(
    given: Given<Value>,
    key: &str,
    example: &str,
    mistakes: &mut Mistakes,
    parse: &impl Fn(&str) -> Result<T, String>,
) -> Option<Given<T>> {
    let Given { value, place } = given;
    let parsed = match value {
        Value::Text(text) => parse(&text).map_err(|what| format!("{} {what}", quote(&text))),
        other => Err(format!("is {}; write text in quotes: {key} = {example}", other.words())),
    };
    mistakes.note(&place, parsed).map(|value| Given::new(value, place))
}
