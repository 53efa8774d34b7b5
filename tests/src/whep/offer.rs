/// An offer to receive Opus as a browser writes it, for requests whose session is never connected.
///
/// `media` holds the kinds of the m-lines in their order: `audio` is Opus, `video` is VP8, `pcm` is audio without Opus.
pub fn opus_offer(media: &[&str]) -> String {
    let mids: Vec<String> = (0..media.len()).map(|mid| mid.to_string()).collect();
    let mut offer = format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n",
        mids.join(" ")
    );
    for (mid, kind) in media.iter().enumerate() {
        let (line, codec) = match *kind {
            "video" => ("video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000\r\n"),
            "pcm" => ("audio 9 UDP/TLS/RTP/SAVPF 0", "a=rtpmap:0 PCMU/8000\r\n"),
            _ => (
                "audio 9 UDP/TLS/RTP/SAVPF 111",
                "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;stereo=1;useinbandfec=1\r\n",
            ),
        };
        offer.push_str(&format!(
            "m={line}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\n\
             a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 DA:7B:57:DC:28:CE:04:4F:31:79:85:C4:31:67:EB:27:58:29:ED:77:2A:0D:24:AE:ED:AD:30:BC:BD:F1:9C:02\r\n\
             a=setup:actpass\r\na=mid:{mid}\r\na=recvonly\r\na=rtcp-mux\r\n{codec}"
        ));
    }
    offer
}

/// An offer to send Opus as a browser writes it, for requests whose session is never connected; `media` as for [`opus_offer`].
pub fn talk_offer(media: &[&str]) -> String {
    opus_offer(media).replace("a=recvonly", "a=sendonly").replace("stereo=1", "stereo=1;sprop-stereo=1")
}
