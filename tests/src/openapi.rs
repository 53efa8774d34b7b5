//! `docs/openapi.json`: what it says of the relay's interface, and how much of that has been seen.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::Answer;

const TEXT: &str = include_str!("../../docs/openapi.json");
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// The interface as it is documented.
#[derive(Debug)]
pub struct OpenApi {
    document: Value,
    /// Of which operation which response was seen: `GET /healthz`, `200`.
    seen: BTreeSet<(String, String)>,
    /// Which kinds of problems were seen, and which events.
    names: BTreeSet<String>,
}

impl OpenApi {
    /// The one in the repository. What it does not name is not allowed.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn read() -> Result<Self> {
        let mut document: Value = serde_json::from_str(TEXT).context("docs/openapi.json is no JSON")?;
        close(&mut document["components"]["schemas"]);
        Ok(Self { document, seen: BTreeSet::new(), names: BTreeSet::new() })
    }

    /// The text as it is written.
    pub fn text() -> &'static str {
        TEXT
    }

    /// All of it.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Every method and path, such as `GET /healthz`.
    pub fn operations(&self) -> Vec<(String, String)> {
        let methods = |item: &Value| METHODS.into_iter().filter(|method| !item[*method].is_null()).collect();
        let paths = members(&self.document["paths"]);
        let all = paths.map(|(path, item)| (path, methods(item)));
        all.flat_map(|(path, methods): (_, Vec<_>)| {
            methods.into_iter().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect()
    }

    /// Holds an answer to `operation`, such as `GET /healthz`, against what is documented of it.
    ///
    /// # Errors
    /// When its status is not documented, or media type, headers or body are other than they should be.
    pub fn check(&mut self, operation: &str, answer: &Answer) -> Result<()> {
        let context = || format!("{operation} answered {}: {}", answer.status, answer.text());
        let (method, path) = operation.split_once(' ').context("an operation is a method and a path")?;
        let documented = &self.document["paths"][path][method.to_lowercase()]["responses"];
        ensure!(documented.is_object(), "{operation} is not documented");
        let status = answer.status.to_string();
        let key = if documented[&status].is_null() { "default" } else { status.as_str() };
        let response = self.resolve(&documented[key]);
        ensure!(response.is_object(), "{status} is not documented of {}", context());
        self.check_headers(response, answer).with_context(context)?;
        let body = if method == "HEAD" { None } else { Some(answer) };
        self.check_body(response, answer, body).with_context(context)?;
        self.seen.insert((operation.to_owned(), key.to_owned()));
        if answer.status >= 400 && method != "HEAD" {
            self.names.insert(answer.problem()?.kind);
        }
        Ok(())
    }

    /// Holds an event against what is documented of those of its name.
    ///
    /// # Errors
    /// When there are none, or its data are other than they should be.
    pub fn check_event(&mut self, name: &str, data: &str) -> Result<()> {
        let media = &self.document["paths"]["/api/events"]["get"]["responses"]["200"]["content"];
        let event = &media["text/event-stream"]["x-events"][name];
        ensure!(event.is_object(), "the event {name} is not documented");
        self.validate(&event["schema"], &serde_json::from_str(data)?)
            .with_context(|| format!("{name}: {data}"))?;
        self.names.insert(name.to_owned());
        Ok(())
    }

    /// Holds a value against a schema of that name.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn check_schema(&self, name: &str, value: &Value) -> Result<()> {
        self.validate(&json!({"$ref": format!("#/components/schemas/{name}")}), value)
    }

    /// What is documented and was not seen: responses, kinds of problems, events.
    pub fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        for (method, path) in self.operations() {
            let operation = format!("{method} {path}");
            let responses = &self.document["paths"][&path][method.to_lowercase()]["responses"];
            for (status, _) in members(responses) {
                if !self.seen.contains(&(operation.clone(), status.clone())) {
                    unseen.push(format!("{operation}: {status}"));
                }
            }
        }
        let media = &self.document["paths"]["/api/events"]["get"]["responses"]["200"]["content"];
        let events = members(&media["text/event-stream"]["x-events"]).map(|(name, _)| name.clone());
        unseen.extend(self.problems().into_iter().chain(events).filter(|name| !self.names.contains(name)));
        unseen
    }

    /// The kinds of problems that are documented.
    pub fn problems(&self) -> Vec<String> {
        let kinds = &self.document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
        kinds.as_array().into_iter().flatten().filter_map(|kind| kind.as_str().map(str::to_owned)).collect()
    }

    /// Holds every example against the schema beside it, and looks each reference up; how many examples there are.
    ///
    /// # Errors
    /// When one does not fit, or a reference leads nowhere.
    pub fn check_itself(&self) -> Result<usize> {
        self.check_below(&self.document)
    }

    fn check_below(&self, value: &Value) -> Result<usize> {
        let mut examples = 0;
        if let Value::Object(object) = value {
            if let Some(target) = object.get("$ref").and_then(Value::as_str) {
                ensure!(self.find(target).is_some(), "{target} leads nowhere");
            }
            if let Some(schema) = object.get("schema") {
                let many =
                    members(object.get("examples").unwrap_or(&Value::Null)).map(|(_, one)| &one["value"]);
                for example in object.get("example").into_iter().chain(many) {
                    self.validate(schema, example).with_context(|| format!("the example {example}"))?;
                    examples += 1;
                }
            }
            for below in object.values() {
                examples += self.check_below(below)?;
            }
        } else if let Value::Array(list) = value {
            for below in list {
                examples += self.check_below(below)?;
            }
        }
        Ok(examples)
    }

    fn check_headers(&self, response: &Value, answer: &Answer) -> Result<()> {
        for (name, header) in members(&response["headers"]) {
            let header = self.resolve(header);
            let values: Vec<&str> = answer.headers(name).collect();
            ensure!(!values.is_empty() || header["required"] != true, "there is no {name}");
            for value in values {
                self.validate(&header["schema"], &json!(value))
                    .with_context(|| format!("{name}: {value}"))?;
            }
        }
        Ok(())
    }

    fn check_body(&self, response: &Value, answer: &Answer, body: Option<&Answer>) -> Result<()> {
        let Some(content) = response["content"].as_object() else {
            ensure!(answer.body.is_empty(), "there is a body, and none is documented");
            return Ok(());
        };
        let media_type = answer.header("content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let Some(media) = content.get(essence).or_else(|| content.get("*/*")) else {
            bail!("{media_type:?} is none of {:?}", content.keys());
        };
        let (Some(answer), Some(schema)) = (body, media.get("schema")) else { return Ok(()) };
        if essence.ends_with("json") {
            return self.validate(schema, &serde_json::from_slice(&answer.body)?);
        }
        // Of a stream no more was read than the head.
        let is_endless = essence == "text/event-stream";
        if is_endless { Ok(()) } else { self.validate(schema, &json!(answer.text())) }
    }

    fn validate(&self, schema: &Value, value: &Value) -> Result<()> {
        let whole =
            json!({"allOf": [schema], "components": {"schemas": self.document["components"]["schemas"]}});
        let validator = jsonschema::validator_for(&whole).context("a schema is none")?;
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{error} at {:?}", error.instance_path().as_str()))
            .collect();
        ensure!(errors.is_empty(), "{}", errors.join("; "));
        Ok(())
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let target = value["$ref"].as_str().and_then(|target| self.find(target));
        target.unwrap_or(value)
    }

    fn find(&self, target: &str) -> Option<&Value> {
        self.document.pointer(target.strip_prefix('#')?)
    }
}

/// Closes all objects: a member that is not documented is a mistake.
fn close(schemas: &mut Value) {
    if let Value::Object(object) = schemas {
        if object.contains_key("properties") && object.get("type").is_some_and(|kind| kind == "object") {
            object.entry("additionalProperties").or_insert(json!(false));
        }
        object.values_mut().for_each(close);
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
