use anyhow::{Context, Result, bail};
use opus::{Application, Bitrate, Channels, Encoder};
use soundport_api::Encoding;

const FULL_SCALE_16: f32 = 32_767.0;
const FULL_SCALE_24: f32 = 8_388_607.0;
const OPUS_BPS: i32 = 128_000;
const LARGEST_OPUS_BYTES: usize = 1275;

/// Writes samples into packets.
#[derive(Debug)]
pub(super) enum Payload {
    Plain(Encoding),
    Opus(Box<Encoder>),
}

impl Payload {
    pub(super) fn new(encoding: Encoding, rate: u32, channels: u8) -> Result<Self> {
        if encoding != Encoding::Opus {
            return Ok(Self::Plain(encoding));
        }
        let channels = match channels {
            1 => Channels::Mono,
            2 => Channels::Stereo,
            other => bail!("Opus has one or two channels, not {other}"),
        };
        let mut encoder = Encoder::new(rate, channels, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(OPUS_BPS))?;
        Ok(Self::Opus(Box::new(encoder)))
    }

    /// A packet's payload of interleaved samples, full scale at 1.
    pub(super) fn write(&mut self, samples: &[f32]) -> Result<Vec<u8>> {
        let encoding = match self {
            Self::Opus(encoder) => {
                return encoder.encode_vec_float(samples, LARGEST_OPUS_BYTES).context("no Opus packet");
            }
            Self::Plain(encoding) => *encoding,
        };
        let mut payload = Vec::with_capacity(samples.len() * 3);
        for sample in samples {
            match encoding {
                Encoding::L16 => payload.extend(((sample * FULL_SCALE_16) as i16).to_be_bytes()),
                Encoding::L24 => payload.extend(&((sample * FULL_SCALE_24) as i32).to_be_bytes()[1..]),
                Encoding::Pcmu => payload.push(mu_law(*sample)),
                Encoding::Pcma => payload.push(a_law(*sample)),
                Encoding::Opus => unreachable!("is written above"),
            }
        }
        Ok(payload)
    }
}

/// ITU-T G.711, table 2: sign, three bits of exponent, four of mantissa, all inverted.
fn mu_law(sample: f32) -> u8 {
    let value = (sample * FULL_SCALE_16) as i32;
    let sign = if value < 0 { 0x80 } else { 0 };
    let biased = (value.unsigned_abs().min(32_635) + 132) as u16;
    let exponent = 8 - biased.leading_zeros();
    let mantissa = (biased >> (exponent + 3)) & 15;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}

/// ITU-T G.711, table 1: sign, three bits of exponent, four of mantissa, the even bits inverted.
fn a_law(sample: f32) -> u8 {
    let value = (sample * FULL_SCALE_16) as i32;
    let sign = if value < 0 { 0 } else { 0x80 };
    let magnitude = (value.unsigned_abs() >> 3) as u16;
    let exponent = 12_u32.saturating_sub(magnitude.leading_zeros() + 1).min(7);
    let exponent = if magnitude < 32 { 0 } else { exponent };
    let mantissa = (magnitude >> exponent.max(1)) & 15;
    (sign | (exponent as u8) << 4 | mantissa as u8) ^ 0x55
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// What ffmpeg makes of the bytes: samples of 16 bits.
    fn decoded(format: &str, bytes: &[u8]) -> Vec<i16> {
        let arguments = format!("-loglevel error -f {format} -ar 8000 -ac 1 -i - -f s16le -");
        let mut ffmpeg = Command::new("ffmpeg");
        let ffmpeg = ffmpeg.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = ffmpeg.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        output.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn others_read_every_encoding_as_it_was_meant() {
        let wave: Vec<f32> = (-100..=100).map(|step| step as f32 / 100.0).collect();
        for (encoding, format, tolerance) in [
            (Encoding::L16, "s16be", 2.0),
            (Encoding::L24, "s24be", 2.0),
            (Encoding::Pcmu, "mulaw", 1100.0),
            (Encoding::Pcma, "alaw", 1100.0),
        ] {
            let bytes = Payload::new(encoding, 8000, 1).unwrap().write(&wave).unwrap();
            let heard = decoded(format, &bytes);
            assert_eq!(heard.len(), wave.len());
            for (meant, heard) in wave.iter().zip(heard) {
                let error = (meant * FULL_SCALE_16 - f32::from(heard)).abs();
                // Steps of G.711 grow with the sample.
                let allowed = if tolerance > 2.0 { 20.0 + tolerance * meant.abs() } else { tolerance };
                assert!(error <= allowed, "{encoding:?}: {meant} became {heard}");
            }
        }
    }
}
