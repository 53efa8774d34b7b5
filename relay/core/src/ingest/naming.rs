use std::net::IpAddr;

/// An address as a slug: `10-88-0-50`, `fd00--1`. Different addresses have different slugs.
pub(crate) fn slug(ip: IpAddr) -> String {
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

/// The same for people.
pub(crate) fn title(ip: IpAddr, number: usize) -> String {
    let ip = ip.to_canonical();
    if number < 2 { ip.to_string() } else { format!("{ip} ({number})") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(slug(address.parse().unwrap()), expected, "{address}");
        }
    }
}
