use std::net::IpAddr;

/// The longest slug made of a name, in characters.
const LONGEST_SLUG: usize = 40;

/// A name as a slug: lower-case letters, digits and single dashes; empty where it has neither letter nor digit of ASCII.
pub(crate) fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    slug.truncate(LONGEST_SLUG);
    slug.trim_end_matches('-').to_owned()
}

/// An address as a slug: `10-88-0-50`, `fd00--1`. Different addresses have different slugs.
pub(crate) fn slug_of_address(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string().replace('.', "-"),
        IpAddr::V6(ip) => {
            // Dashes stand neither first nor last, so the zeros left out there are written.
            let text = ip.to_string();
            let text = if text.starts_with("::") { format!("0{text}") } else { text };
            let text = if text.ends_with("::") { format!("{text}0") } else { text };
            text.replace([':', '.'], "-")
        }
    }
}

/// The name of an address' `number`th source.
pub(crate) fn numbered(base: &str, number: usize) -> String {
    if number < 2 { base.to_owned() } else { format!("{base}-{number}") }
}

/// An address for people.
pub(crate) fn title(ip: IpAddr, number: usize) -> String {
    numbered_title(&ip.to_canonical().to_string(), number)
}

/// The name of a name's `number`th source, for people.
pub(crate) fn numbered_title(name: &str, number: usize) -> String {
    if number < 2 { name.to_owned() } else { format!("{name} ({number})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_slugs() {
        for (name, expected) in [
            ("desktop", "desktop"),
            ("Büro: PC 2", "b-ro-pc-2"),
            ("<script>", "script"),
            ("桌面", ""),
            ("a234567890123456789012345678901234567890-x", "a234567890123456789012345678901234567890"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
    }

    #[test]
    fn addresses_make_slugs() {
        for (address, expected) in [
            ("10.88.0.50", "10-88-0-50"),
            ("::ffff:10.88.0.50", "10-88-0-50"),
            ("fd00::1", "fd00--1"),
            ("::1", "0--1"),
            ("fd00::", "fd00--0"),
            ("::", "0--0"),
            ("2001:db8:1:2:3:4:5:6", "2001-db8-1-2-3-4-5-6"),
        ] {
            assert_eq!(slug_of_address(address.parse().unwrap()), expected, "{address}");
        }
    }
}
