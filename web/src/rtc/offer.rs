//! What is read and changed in session descriptions (RFC 8866).

/// What a listener asks for (RFC 7587, section 6.1). Chromium and Safari decode to mono unless their own offer says so; Firefox says so by
/// itself.
pub(super) const HEARS_STEREO: &[&str] = &["stereo=1"];

/// What a talker says who sends stereo, and asks to be asked for it.
pub(super) const SENDS_STEREO: &[&str] = &["stereo=1", "sprop-stereo=1"];

/// The offer with parameters such as `stereo=1` on every Opus payload type.
pub(super) fn with_parameters(offer: &str, parameters: &[&str]) -> String {
    let opus: Vec<&str> = offer.lines().filter_map(opus_payload_type).collect();
    let mut written = String::with_capacity(offer.len() + 32);
    for line in offer.lines() {
        written.push_str(line);
        if fmtp_payload_type(line).is_some_and(|payload_type| opus.contains(&payload_type)) {
            for parameter in parameters.iter().filter(|parameter| !has_parameter(line, name(parameter))) {
                written.push(';');
                written.push_str(parameter);
            }
        }
        written.push_str("\r\n");
        if let Some(payload_type) = opus_payload_type(line)
            && !parameters.is_empty()
            && !offer.lines().any(|line| fmtp_payload_type(line) == Some(payload_type))
        {
            written.push_str(&format!("a=fmtp:{payload_type} {}\r\n", parameters.join(";")));
        }
    }
    written
}

/// The relay's answer without the candidates that are reached by TCP (RFC 6544, section 4.5).
pub(super) fn without_tcp(answer: &str) -> String {
    answer
        .lines()
        .filter(|line| !line.ends_with(" tcptype passive"))
        .flat_map(|line| [line, "\r\n"])
        .collect()
}

fn opus_payload_type(line: &str) -> Option<&str> {
    let (payload_type, codec) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
    codec.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("opus/")).then_some(payload_type)
}

fn fmtp_payload_type(line: &str) -> Option<&str> {
    line.strip_prefix("a=fmtp:")?.split_once(' ').map(|(payload_type, _)| payload_type)
}

fn has_parameter(line: &str, name: &str) -> bool {
    let parameters = line.split_once(' ').map_or("", |(_, parameters)| parameters);
    parameters.split(';').any(|parameter| self::name(parameter) == name)
}

fn name(parameter: &str) -> &str {
    parameter.split('=').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\na=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\n";

    fn heard(offer: &str) -> String {
        with_parameters(offer, HEARS_STEREO)
    }

    #[test]
    fn opus_is_asked_for_in_stereo_and_nothing_else_is_touched() {
        let wanted = OFFER.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
        assert_eq!(heard(OFFER), wanted);
    }

    #[test]
    fn asking_twice_is_asking_once() {
        let once = heard(OFFER);
        assert_eq!(heard(&once), once);
        let refused = OFFER.replace("useinbandfec=1", "stereo=0");
        assert_eq!(heard(&refused), refused, "a browser that knows its mind is left alone");
        let sprop = OFFER.replace("useinbandfec=1", "sprop-stereo=1");
        assert!(heard(&sprop).contains("sprop-stereo=1;stereo=1\r\n"));
    }

    #[test]
    fn opus_without_parameters_gets_a_line_of_its_own() {
        let bare = "m=audio 9 RTP 96\na=rtpmap:96 OPUS/48000/2\na=sendrecv\n";
        assert_eq!(
            heard(bare),
            "m=audio 9 RTP 96\r\na=rtpmap:96 OPUS/48000/2\r\na=fmtp:96 stereo=1\r\na=sendrecv\r\n"
        );
    }

    #[test]
    fn odd_lines_are_passed_on() {
        for odd in ["", "a=rtpmap:\r\n", "a=rtpmap:1 é\r\n", "a=fmtp:111\r\n"] {
            assert_eq!(heard(odd), odd);
        }
    }

    #[test]
    fn a_talker_in_stereo_says_that_it_sends_it() {
        let wanted = OFFER.replace("useinbandfec=1", "useinbandfec=1;stereo=1;sprop-stereo=1");
        assert_eq!(with_parameters(OFFER, SENDS_STEREO), wanted);
        assert_eq!(with_parameters(OFFER, &[]), OFFER, "a voice is mono");
    }

    #[test]
    fn the_relays_addresses_that_are_reached_by_tcp_can_be_left_out() {
        let udp = "a=candidate:1 1 udp 2130706431 192.0.2.1 8443 typ host\r\n";
        let tcp = "a=candidate:2 1 tcp 2105524479 2001:db8::1 8443 typ host tcptype passive\r\n";
        let answer = format!("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{udp}{tcp}a=end-of-candidates\r\n");
        assert_eq!(without_tcp(&answer), answer.replace(tcp, ""));
    }
}
