//! The tables of `docs/reference.md` and `docs/operate.md`, as the relay's own words give them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// What is known of one metric.
#[derive(Default)]
struct Metric<'a> {
    help: &'a str,
    kind: &'a str,
    label: &'a str,
    values: Vec<&'a str>,
}

/// The options by `soundport serve --help`, with the defaults of the example file where the help has none.
pub fn options_table(help: &str, example: &str) -> String {
    let defaults = defaults(example);
    let mut table = "| option | key | default | what |\n|---|---|---|---|\n".to_owned();
    for option in help.split("\n      --").skip(1) {
        let (name, text) = option.split_once('\n').unwrap_or((option, ""));
        let text =
            text.split("\n  -").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let noted = |name: &str| {
            let (_, rest) = text.split_once(&format!("[{name}: "))?;
            // A default may have brackets of its own.
            let end = rest.find("] [").or_else(|| rest.rfind(']'))?;
            Some(rest[..end].trim_end_matches('='))
        };
        let what =
            text.split(" [default: ").next().unwrap_or_default().split(" [env: ").next().unwrap_or_default();
        let Some(variable) = noted("env").and_then(|name| name.strip_prefix("SOUNDPORT_")) else { continue };
        let key = variable.to_lowercase();
        let key = key.strip_prefix("ice_").map_or_else(|| key.clone(), |rest| format!("ice.{rest}"));
        let default = noted("default").or_else(|| defaults.get(&key).copied()).unwrap_or_default();
        let default = if default.starts_with("as ") { default.to_owned() } else { code(default) };
        let key = if key == "config" { String::new() } else { code(&key) };
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| {} | {key} | {default} | {} |", code(&format!("--{name}")), cell(what));
    }
    table
}

/// The keys of a source by the example file.
pub fn source_table(example: &str) -> String {
    let mut table = "| key | such as | what |\n|---|---|---|\n".to_owned();
    let source = example.split("# [[source]]\n").nth(1).unwrap_or_default();
    let mut rows: Vec<(&str, &str, String)> = Vec::new();
    for line in source.lines().map_while(|line| line.strip_prefix("# ")) {
        match (line.trim_start().strip_prefix("# "), line.split_once(" = ")) {
            (Some(more), _) => {
                rows.iter_mut().next_back().into_iter().for_each(|row| row.2 += &format!(" {more}"))
            }
            (None, Some((key, rest))) => {
                let (value, what) = rest.split_once("# ").unwrap_or((rest, ""));
                rows.push((key, value.trim_end(), what.to_owned()));
            }
            (None, None) => break,
        }
    }
    for (key, value, what) in rows {
        let _ = writeln!(table, "| {} | {} | {} |", code(key), code(value), cell(&what));
    }
    table
}

/// The paths of `docs/openapi.json`.
pub fn http_table(interface: &Value) -> String {
    let mut table = "| path | methods | what |\n|---|---|---|\n".to_owned();
    for (path, item) in interface["paths"].as_object().into_iter().flatten() {
        let methods: Vec<&str> = METHODS.into_iter().filter(|method| item[*method].is_object()).collect();
        let what = methods.first().and_then(|method| item[*method]["summary"].as_str()).unwrap_or_default();
        let methods = methods.join(", ").to_uppercase();
        let _ = writeln!(table, "| {} | {methods} | {} |", code(path), cell(what));
    }
    table
}

/// The metrics by `/metrics`, with the values of their labels.
pub fn metrics_table(text: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut metrics: BTreeMap<&str, Metric<'_>> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            names.push(name);
            metrics.entry(name).or_default().help = help;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            metrics.entry(name).or_default().kind = kind;
        } else if let Some((name, rest)) = line.split_once('{') {
            let metric = metrics.entry(name).or_default();
            metric.label = rest.split('=').next().unwrap_or_default();
            metric.values.extend(rest.split('"').nth(1));
        }
    }
    let mut table = "| metric | kind | what |\n|---|---|---|\n".to_owned();
    for name in names {
        let Metric { help, kind, label, values } = &metrics[name];
        let values: Vec<String> = values.iter().map(|value| code(value)).collect();
        let labels = if values.is_empty() {
            String::new()
        } else {
            format!(" {} is {}.", code(label), values.join(", "))
        };
        let _ = writeln!(table, "| {} | {kind} | {}{labels} |", code(name), cell(help));
    }
    table
}

/// Every key that stands in the file with its default.
fn defaults(example: &str) -> BTreeMap<String, &str> {
    let mut table = String::new();
    let mut defaults = BTreeMap::new();
    for line in example.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            defaults.insert(format!("{table}{key}"), value.trim_matches('"'));
        }
    }
    defaults
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
