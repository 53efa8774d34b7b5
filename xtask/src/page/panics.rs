//! What the page's program would say before it ends itself, left out: a page shows it nowhere, and a thirtieth of all that is downloaded
//! writes it. A panic still ends the program, at once: the browser's console names the trap, and where.
//!
//! Done before wasm-opt, which then leaves out what only served to say it. Whoever wants the words runs `trunk serve`.

use std::collections::BTreeMap;

use super::short::{Reader, write_number, write_text};

/// Section numbers (WebAssembly Core Specification, section 5.5.2).
const CUSTOM: u8 = 0;
const IMPORTS: u8 = 2;
const CODE: u8 = 10;
const DATA: u8 = 11;

/// Names of functions in the section of names (section 7.4.2).
const FUNCTION_NAMES: u8 = 1;

/// How functions are called that never return, each a part of telling a panic.
const TELLING: [&str; 16] = [
    "__rustc::rust_panic",
    "alloc::alloc::handle_alloc_error",
    "alloc::raw_vec::capacity_overflow",
    "alloc::raw_vec::handle_error",
    "console_error_panic_hook::hook",
    "core::cell::panic_already_",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::panicking::",
    "core::result::unwrap_failed",
    "core::slice::index::slice_index_fail",
    "core::str::slice_error_fail",
    "std::panicking::panic_handler",
    "std::panicking::panic_with_hook",
    "std::sys::backtrace::__rust_end_short_backtrace",
    "std::thread::local::panic_access_error",
];

/// A function without variables that is but `unreachable` (section 5.4.1).
const TRAP: [u8; 3] = [0, 0, 0x0B];

/// The module whose panics trap at once; none where it is no module.
pub(super) fn without_words(wasm: &[u8]) -> Option<Vec<u8>> {
    let (mut functions, mut names) = (0, BTreeMap::new());
    for (section, content) in sections(wasm)? {
        match section {
            IMPORTS => functions = imported_functions(content)?,
            CUSTOM => names.extend(function_names(content).unwrap_or_default()),
            _ => {}
        }
    }
    let mut written = wasm.get(..8)?.to_vec();
    for (section, content) in sections(wasm)? {
        let content = match section {
            CODE => code(content, functions, &names)?,
            DATA => data(content)?,
            _ => content.to_vec(),
        };
        written.push(section);
        write_text(&mut written, &content);
    }
    Some(written)
}

fn sections(wasm: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (mut sections, mut rest) = (vec![], Reader(wasm.get(8..)?));
    while let Some(section) = rest.byte() {
        sections.push((section, rest.text()?));
    }
    Some(sections)
}

/// How many functions are imported: those of the module are numbered after them.
fn imported_functions(content: &[u8]) -> Option<u32> {
    let (mut rest, mut functions) = (Reader(content), 0);
    for _ in 0..rest.number()? {
        rest.text()?;
        rest.text()?;
        functions += u32::from(*rest.0.first()? == 0);
        rest.skip_description()?;
    }
    Some(functions)
}

/// The names of functions by number; none, where the section is another.
fn function_names(content: &[u8]) -> Option<BTreeMap<u32, String>> {
    let mut rest = Reader(content);
    if rest.text()? != b"name" {
        return None;
    }
    let mut names = BTreeMap::new();
    while let Some(kind) = rest.byte() {
        let mut part = Reader(rest.text()?);
        if kind == FUNCTION_NAMES {
            for _ in 0..part.number()? {
                names.insert(part.number()?, String::from_utf8_lossy(part.text()?).into_owned());
            }
        }
    }
    Some(names)
}

fn code(content: &[u8], imported: u32, names: &BTreeMap<u32, String>) -> Option<Vec<u8>> {
    let (mut written, mut rest) = (vec![], Reader(content));
    let count = rest.number()?;
    write_number(&mut written, count);
    for number in imported..imported + count {
        let body = rest.text()?;
        let is_telling = names.get(&number).is_some_and(|name| is_telling(name));
        write_text(&mut written, if is_telling { &TRAP } else { body });
    }
    Some(written)
}

/// Names come with what tells crates apart: `core[c5930c85a12de822]::panicking::panic`.
fn is_telling(name: &str) -> bool {
    let (before, after) = name.split_once('[').unwrap_or((name, ""));
    let after = after.split_once(']').map_or("", |(_, after)| after);
    let name = format!("{before}{after}");
    TELLING.iter().any(|telling| name.starts_with(telling))
}

/// The section of data (section 5.5.14) without the places in the source that panics name: nothing else reads these.
fn data(content: &[u8]) -> Option<Vec<u8>> {
    let mut written = content.to_vec();
    let mut rest = Reader(content);
    let mut pieces = vec![];
    for _ in 0..rest.number()? {
        // Other kinds of pieces do not say where they will lie.
        if rest.number()? != 0 || rest.byte()? != I32_CONST {
            return Some(written);
        }
        let address = rest.number()?;
        rest.byte()?;
        let text = rest.text()?;
        pieces.push((address, content.len() - rest.0.len() - text.len(), text));
    }
    for &(address, start, text) in &pieces {
        for at in (0..text.len()).filter(|at| (address as usize + at).is_multiple_of(4)) {
            let Some(path) = text.get(at..at + PLACE).and_then(path_of_place) else { continue };
            if pieces.iter().any(|piece| is_source(piece, path)) {
                written[start + at..start + at + PLACE].fill(0);
            }
        }
    }
    Some(written)
}

/// Address and length of the path.
fn path_of_place(place: &[u8]) -> Option<(u32, usize)> {
    let word = |at: usize| place.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word));
    Some((word(0)?, word(4)? as usize))
}

fn is_source(&(address, _, text): &(u32, usize, &[u8]), (path, length): (u32, usize)) -> bool {
    let start = path.checked_sub(address).map(|start| start as usize);
    let path = start.and_then(|start| text.get(start..start.checked_add(length)?));
    path.is_some_and(|path| length > 3 && path.ends_with(b".rs") && path.contains(&b'/'))
}

const I32_CONST: u8 = 0x41;

/// `core::panic::Location`: address and length of the path, line and column, of four bytes each.
const PLACE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: u32 = 1 << 20;

    /// One imported function; three of its own, called by `names`; and `data` at an address.
    fn module(names: [&str; 3], bodies: [&[u8]; 3], data: &[u8]) -> Vec<u8> {
        let mut named = vec![];
        write_text(&mut named, b"name");
        let mut part = vec![3];
        for (number, name) in (1..).zip(names) {
            part.push(number);
            write_text(&mut part, name.as_bytes());
        }
        named.push(FUNCTION_NAMES);
        write_text(&mut named, &part);
        let mut code = vec![3];
        bodies.iter().for_each(|body| write_text(&mut code, body));
        let mut piece = vec![1, 0, I32_CONST];
        write_number(&mut piece, ADDRESS);
        piece.push(0x0B);
        write_text(&mut piece, data);

        let mut module = b"\0asm\x01\0\0\0".to_vec();
        let imports = [1, 1, b'a', 1, b'b', 0, 0];
        for (section, content) in [(IMPORTS, &imports[..]), (CODE, &code), (DATA, &piece), (CUSTOM, &named)] {
            module.push(section);
            write_text(&mut module, content);
        }
        module
    }

    #[test]
    fn what_tells_panics_traps_and_other_functions_stay() {
        let names = [
            "core[c5930c85a12de822]::panicking::panic_fmt",
            "std[a543996e6e7dbf1e]::panicking::set_hook",
            "console_error_panic_hook::hook::h07294cc9991b25e4",
        ];
        let [one, two, three] = [&[0, 1, 0x0B][..], &[0, 1, 1, 0x0B], &[0, 1, 1, 1, 0x0B]];
        let written = without_words(&module(names, [one, two, three], b"")).unwrap();
        assert_eq!(written, module(names, [&TRAP, two, &TRAP], b""));
    }

    #[test]
    fn places_in_the_source_are_blank_and_other_data_stays() {
        let path = b"web/src/main.rs and ";
        let place = |length: u32| [ADDRESS, length, 7, 9].map(u32::to_le_bytes).concat();
        let data = |place: &[u8]| [&path[..], place, &17_u32.to_le_bytes()].concat();
        let bodies = [&TRAP[..]; 3];
        let with = |place: &[u8]| module(["a", "b", "c"], bodies, &data(place));
        assert_eq!(without_words(&with(&place(15))).unwrap(), with(&[0; PLACE]));
        assert_eq!(without_words(&with(&place(14))).unwrap(), with(&place(14)), "no path");
        assert_eq!(
            without_words(&with(&place(u32::MAX))).unwrap(),
            with(&place(u32::MAX)),
            "beyond the data"
        );
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let whole = module(["a", "b", "c"], [&TRAP; 3], b"data");
        for end in [0, 7, 9, whole.len() - 1] {
            assert!(without_words(&whole[..end]).is_none(), "{end}");
        }
    }
}
