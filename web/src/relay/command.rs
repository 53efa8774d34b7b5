/// The line that sends what PulseAudio plays to the relay on `host`, a name or an address as it stands in a URL.
///
/// PulseAudio wants a numeric address: a name is looked up by the shell.
pub fn pulse_command(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = match host {
        "" | "localhost" | "::1" => "127.0.0.1".to_owned(),
        host if is_numeric(host) => host.to_owned(),
        name => format!("$(getent hosts {name} | awk 'NR==1{{print $1}}')"),
    };
    format!("pactl load-module module-rtp-send source=@DEFAULT_MONITOR@ destination_ip={address} port=5004")
}

/// Names in URLs hold no colon, and one of digits and dots alone is an address already.
fn is_numeric(host: &str) -> bool {
    host.contains(':') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(host: &str) -> String {
        let command = pulse_command(host);
        let from = command.find("destination_ip=").unwrap() + "destination_ip=".len();
        command[from..].strip_suffix(" port=5004").unwrap().to_owned()
    }

    #[test]
    fn addresses_stand_as_they_are() {
        assert_eq!(destination("192.168.1.20"), "192.168.1.20");
        assert_eq!(destination("[fd00::1]"), "fd00::1");
        assert_eq!(destination("localhost"), "127.0.0.1");
    }

    #[test]
    fn names_are_looked_up_by_the_shell() {
        assert_eq!(
            destination("sound.example.org"),
            "$(getent hosts sound.example.org | awk 'NR==1{print $1}')"
        );
    }
}
