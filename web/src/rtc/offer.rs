//! The browser's offer, before it is made its own.

/// The offer with stereo asked for on every Opus payload type (RFC 7587, section 6.1).
///
/// Chromium and Safari decode to mono unless their own offer says `stereo=1`; Firefox says so by itself.
pub(super) fn with_stereo(offer: &str) -> String {
    let opus: Vec<&str> = offer.lines().filter_map(opus_payload_type).collect();
    let mut written = String::with_capacity(offer.len() + 32);
    for line in offer.lines() {
        written.push_str(line);
        let of_opus = fmtp_payload_type(line).is_some_and(|payload_type| opus.contains(&payload_type));
        if of_opus && !has_parameter(line, "stereo") {
            written.push_str(";stereo=1");
        }
        written.push_str("\r\n");
        if let Some(payload_type) = opus_payload_type(line)
            && !offer.lines().any(|line| fmtp_payload_type(line) == Some(payload_type))
        {
            written.push_str(&format!("a=fmtp:{payload_type} stereo=1\r\n"));
        }
    }
    written
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
    parameters.split(';').any(|parameter| parameter.split('=').next().is_some_and(|key| key.trim() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\na=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\n";

    #[test]
    fn opus_is_asked_for_in_stereo_and_nothing_else_is_touched() {
        let wanted = OFFER.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
        assert_eq!(with_stereo(OFFER), wanted);
    }

    #[test]
    fn asking_twice_is_asking_once() {
        let once = with_stereo(OFFER);
        assert_eq!(with_stereo(&once), once);
        let refused = OFFER.replace("useinbandfec=1", "stereo=0");
        assert_eq!(with_stereo(&refused), refused, "a browser that knows its mind is left alone");
        let sprop = OFFER.replace("useinbandfec=1", "sprop-stereo=1");
        assert!(with_stereo(&sprop).contains("sprop-stereo=1;stereo=1\r\n"));
    }

    #[test]
    fn opus_without_parameters_gets_a_line_of_its_own() {
        let bare = "m=audio 9 RTP 96\na=rtpmap:96 OPUS/48000/2\na=sendrecv\n";
        assert_eq!(
            with_stereo(bare),
            "m=audio 9 RTP 96\r\na=rtpmap:96 OPUS/48000/2\r\na=fmtp:96 stereo=1\r\na=sendrecv\r\n"
        );
    }

    #[test]
    fn odd_lines_are_passed_on() {
        for odd in ["", "a=rtpmap:\r\n", "a=rtpmap:1 é\r\n", "a=fmtp:111\r\n"] {
            assert_eq!(with_stereo(odd), odd);
        }
    }
}
