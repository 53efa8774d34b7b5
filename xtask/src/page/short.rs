//! What the page's program says that nobody reads, made short.
//!
//! The program and its glue know each other's functions by long names that end in random digits, which do not compress: a twentieth of
//! all that is downloaded. And for panics, which a page shows nowhere, it carries the paths of the files that it was built from, and how any
//! value of the browser's is written out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Section numbers (WebAssembly Core Specification, section 5.5.2).
const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;
const DATA: u8 = 11;

/// What the names of the program's files begin with.
const PROGRAM: &str = "soundport-web";

/// Digits at the end of a name that is to be short.
const RANDOM_DIGITS: usize = 16;

/// Shortens the program and the glue in `folder`, of which there is one each.
///
/// # Errors
/// When they cannot be read, understood or written.
pub(super) fn shorten(folder: &Path) -> Result<()> {
    let (wasm_file, glue_file) = (only(folder, "wasm")?, only(folder, "js")?);
    let (wasm, glue) = (fs::read(&wasm_file)?, fs::read_to_string(&glue_file)?);
    let (wasm, names) = with_short_names(&wasm).context("the page's program is not as it should be")?;
    fs::write(wasm_file, wasm)?;
    fs::write(glue_file, squeezed(&without_remarks(&without_unused(&rename(&glue, &names)))))?;
    Ok(())
}

/// The file of the page's program in `folder` with this extension, of which there is one: its name holds the package's.
pub(super) fn only(folder: &Path, extension: &str) -> Result<PathBuf> {
    let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let files = files.collect::<std::io::Result<Vec<_>>>()?;
    let is_wanted = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(PROGRAM) && name.ends_with(&format!(".{extension}"))
    };
    let mut wanted = files.into_iter().filter(is_wanted);
    match (wanted.next(), wanted.next()) {
        (Some(file), None) => Ok(file),
        _ => bail!("{} does not hold one .{extension} file", folder.display()),
    }
}

type Names = BTreeMap<String, String>;

/// The module with short names of what it imports and exports, and which they are; none where it is no module.
fn with_short_names(wasm: &[u8]) -> Option<(Vec<u8>, Names)> {
    let (mut written, mut names) = (wasm.get(..8)?.to_vec(), Names::new());
    let mut rest = Reader(wasm.get(8..)?);
    while let Some(section) = rest.byte() {
        let content = rest.text()?;
        let content = match section {
            IMPORTS => imports(content, &mut names)?,
            EXPORTS => exports(content, &mut names)?,
            DATA => without_paths(content),
            _ => content.to_vec(),
        };
        written.push(section);
        write_text(&mut written, &content);
    }
    Some((written, names))
}

/// The section of imports (section 5.5.5), with short names.
fn imports(content: &[u8], names: &mut Names) -> Option<Vec<u8>> {
    let (mut written, mut rest) = (vec![], Reader(content));
    let count = rest.number()?;
    write_number(&mut written, count);
    for _ in 0..count {
        write_text(&mut written, rest.text()?);
        write_text(&mut written, shortened(rest.text()?, names)?.as_bytes());
        let before = rest.0;
        rest.skip_description()?;
        written.extend_from_slice(&before[..before.len() - rest.0.len()]);
    }
    rest.0.is_empty().then_some(written)
}

/// The section of exports (section 5.5.10), with short names.
fn exports(content: &[u8], names: &mut Names) -> Option<Vec<u8>> {
    let (mut written, mut rest) = (vec![], Reader(content));
    let count = rest.number()?;
    write_number(&mut written, count);
    for _ in 0..count {
        write_text(&mut written, shortened(rest.text()?, names)?.as_bytes());
        written.push(rest.byte()?);
        write_number(&mut written, rest.number()?);
    }
    rest.0.is_empty().then_some(written)
}

fn shortened(name: &[u8], names: &mut Names) -> Option<String> {
    let name = str::from_utf8(name).ok()?;
    if is_random(name) && !names.contains_key(name) {
        names.insert(name.to_owned(), short(names.len()));
    }
    Some(names.get(name).map_or(name, String::as_str).to_owned())
}

/// Names end in `_0123456789abcdef` or `_h0123456789abcdef`.
fn is_random(name: &str) -> bool {
    let digits = name.rsplit('_').next().unwrap_or_default();
    let digits = digits.strip_prefix('h').unwrap_or(digits);
    let is_ours = name.starts_with("__wb") || name.starts_with("wasm_bindgen__");
    is_ours && digits.len() == RANDOM_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// A name of letters alone: a, b, … z, ba, bb, …
fn short(number: usize) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    match number / 26 {
        0 => letter.to_string(),
        more => format!("{}{letter}", short(more)),
    }
}

/// The glue, with other names. What is not a whole word is left alone.
fn rename(glue: &str, names: &Names) -> String {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    let mut written = String::with_capacity(glue.len());
    let mut rest = glue;
    while let Some(start) = rest.find(is_part) {
        let (between, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|letter| !is_part(letter)).unwrap_or(word.len()));
        written.push_str(between);
        written.push_str(names.get(word).map_or(word, String::as_str));
        rest = after;
    }
    written + rest
}

/// Functions of the glue that nothing of ours calls, or whose answer nobody reads; and what is left of them.
const UNUSED: [(&str, &str); 2] = [
    ("function debugString(val) {", "function debugString() {\nreturn '';\n}"),
    ("function initSync(module) {", "function initSync() {\n}"),
];

/// The glue without the insides of functions that are not used.
fn without_unused(glue: &str) -> String {
    let mut glue = glue.to_owned();
    for (begins, instead) in UNUSED {
        // A function ends with the first brace that stands where it began.
        if let Some((start, end)) =
            glue.find(begins).and_then(|start| Some((start, glue[start..].find("\n}")?)))
        {
            glue.replace_range(start..start + end + 2, instead);
        }
    }
    glue
}

/// The glue with what it hands on handed on at once, short names of what it is handed, and no spaces beside signs; texts stay.
fn squeezed(glue: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in glue.lines() {
        match (line, lines.last_mut()) {
            ("return ret;", Some(last)) if last.starts_with("const ret = ") && last.ends_with(';') => {
                *last = last.replacen("const ret = ", "return ", 1);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    let mut written = String::with_capacity(glue.len());
    for line in lines {
        let mut quote = None;
        let mut rest = line.chars().peekable();
        while let Some(letter) = rest.next() {
            match quote {
                Some(open) if letter == open && !written.ends_with('\\') => quote = None,
                None if "'\"`".contains(letter) => quote = Some(letter),
                None if letter == ' ' => {
                    let is_sign = |letter: char| "=(){};:?,<>&|!".contains(letter);
                    if written.ends_with(is_sign) || rest.peek().copied().is_some_and(is_sign) {
                        continue;
                    }
                }
                _ => {}
            }
            written.push(letter);
        }
        if !written.ends_with([';', ',', '{']) {
            written.push('\n');
        }
    }
    shorten_arguments(&written)
}

/// What functions are handed is called `arg0`, `arg1` and so on: a letter each is enough.
fn shorten_arguments(glue: &str) -> String {
    let names =
        (0..10_u8).map(|number| (format!("arg{number}"), char::from(b'A' + number).to_string())).collect();
    rename(glue, &names)
}

/// The glue without comments, and spaces before its lines; as it is, where a text of it may go over several.
fn without_remarks(glue: &str) -> String {
    let quotes = |line: &str| line.matches('`').count();
    if glue.lines().any(|line| quotes(line) % 2 == 1) {
        return glue.to_owned();
    }
    let said = |line: &&str| !line.is_empty() && !line.starts_with("//");
    glue.lines().map(str::trim_start).filter(said).collect::<Vec<_>>().join("\n")
}

/// The data with the paths of source files blank.
fn without_paths(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let cargo = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
    let registry = cargo.map(|cargo| cargo + "/registry/src/").unwrap_or_default();
    for start in ["/rustc/", &registry].into_iter().filter(|start| start.len() > 1) {
        let mut at = 0;
        while let Some(found) = position(&data[at..], start.as_bytes()).map(|found| at + found) {
            let path = &data[found..];
            let is_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
            let longest = path.iter().position(|byte| !is_path(byte)).unwrap_or(path.len());
            let end = position(&path[..longest], b".rs").map_or(start.len(), |end| end + 3);
            data[found..found + end].fill(b' ');
            at = found + end;
        }
    }
    data
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Reads the binary format (section 5) from its beginning.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// An unsigned LEB128 number.
    pub(super) fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// Bytes with their count before them.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let count = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(text)
    }

    /// What is imported: a function, table, memory, global or tag.
    pub(super) fn skip_description(&mut self) -> Option<()> {
        let kind = self.byte()?;
        if matches!(kind, 1 | 3 | 4) {
            self.byte()?;
        }
        match kind {
            0 | 4 => self.number().map(|_| ()),
            1 | 2 => {
                let has_most = self.number()? & 1 == 1;
                self.number()?;
                has_most.then(|| self.number()).map_or(Some(()), |most| most.map(|_| ()))
            }
            3 => self.byte().map(|_| ()),
            _ => None,
        }
    }
}

pub(super) fn write_number(to: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

pub(super) fn write_text(to: &mut Vec<u8>, text: &[u8]) {
    write_number(to, text.len() as u32);
    to.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAY: &str = "__wbg_play_0123456789abcdef";
    const STOP: &str = "__wbg_stop_fedcba9876543210";
    const CALL: &str = "wasm_bindgen__convert__closures_____invoke__h0123456789abcdef";

    fn module(imported: &[&str], export: &str, data: &[u8]) -> Vec<u8> {
        let mut section = vec![];
        write_number(&mut section, imported.len() as u32);
        for name in imported {
            write_text(&mut section, b"./page.js");
            write_text(&mut section, name.as_bytes());
            section.extend([0, 3]);
        }
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        let mut exported = vec![];
        write_number(&mut exported, 2);
        for name in ["memory", export] {
            write_text(&mut exported, name.as_bytes());
            exported.extend([0, 200, 1]);
        }
        let sections = [(1, &[9; 200][..]), (IMPORTS, &section[..]), (EXPORTS, &exported[..]), (DATA, data)];
        for (number, content) in sections {
            module.push(number);
            write_text(&mut module, content);
        }
        module
    }

    #[test]
    fn names_with_random_digits_are_short_on_both_sides_and_others_stay() {
        let (written, names) = with_short_names(&module(&[PLAY, "__wbg_init", STOP], CALL, b"")).unwrap();
        assert_eq!(written, module(&["a", "__wbg_init", "b"], "c", b""));
        let glue = format!("{{ {PLAY}: function() {{}},\n{STOP}: ü, {STOP}x: __wbg_init(wasm.{CALL}) }}");
        let wanted = format!("{{ a: function() {{}},\nb: ü, {STOP}x: __wbg_init(wasm.c) }}");
        assert_eq!(rename(&glue, &names), wanted);
        assert_eq!((short(25), short(26), short(700)), ("z".into(), "ba".into(), "bay".into()));
    }

    #[test]
    fn paths_of_sources_are_blank_and_nothing_moves() {
        let path = "/rustc/59807616/library/core/src/str/mod.rs";
        let data = format!("Listen{path}Stop.rs /rustc/ and so on");
        let (written, _) = with_short_names(&module(&[], CALL, data.as_bytes())).unwrap();
        let wanted = data.replace(path, &" ".repeat(path.len())).replace("/rustc/", "       ");
        assert_eq!(written, module(&[], "a", wanted.as_bytes()));
    }

    #[test]
    fn lines_hold_what_is_done_alone_unless_that_might_change_a_text() {
        assert_eq!(without_remarks("a {\n    // why\n    b;\n\n    c(`d`);\n}\n"), "a {\nb;\nc(`d`);\n}");
        let text = "a(`\n    b`);";
        assert_eq!(without_remarks(text), text);
    }

    #[test]
    fn what_nobody_reads_of_the_glue_goes_and_texts_stay() {
        let glue = "function debugString(val) {\n    if (val) {\n        return `a  b`;\n    }\n}\nfunction add(arg0, arg1) {\n    \
            const ret = arg0 + +arg1 > 0 ? 'a = \\' b' : `c ${arg1} ; d`;\n    return ret;\n}\nconst arg10 = async (x) => x in y;\n";
        let wanted = "function debugString(){return '';}\nfunction add(A,B){return A + +B>0?'a = \\' b':`c ${B} ; d`;}\nconst arg10=async(x)=>x in y;";
        assert_eq!(squeezed(&without_remarks(&without_unused(glue))), wanted);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let whole = module(&[PLAY], CALL, b"data");
        for end in [0, 7, 9, whole.len() - 1] {
            assert!(with_short_names(&whole[..end]).is_none(), "{end}");
        }
    }
}
