use std::cell::RefCell;

use wasm_bindgen::JsValue;
use web_sys::{AnalyserNode, AudioContext, AudioNode};

/// Samples an analyser keeps: 85 ms at 48 kHz, so that looking ten times a second misses nothing.
const ANALYSED_FRAMES: u32 = 4_096;

/// The newest samples that a meter's picture is made of: 21 ms at 48 kHz.
const PICTURE_FRAMES: usize = 1_024;

/// The newest samples that an onset is looked for in: 11 ms at 48 kHz.
const ONSET_FRAMES: usize = 512;

/// The largest sample magnitudes of late, 0..1 and above.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Levels {
    /// The left channel's.
    pub left: f32,
    /// The right channel's.
    pub right: f32,
}

/// Measures the level of what flows through a node.
pub struct Gauge {
    analysers: [AnalyserNode; 2],
    samples: RefCell<Vec<f32>>,
}

impl Gauge {
    pub(super) fn of(node: &AudioNode, context: &AudioContext) -> Result<Self, JsValue> {
        let splitter = context.create_channel_splitter_with_number_of_outputs(2)?;
        node.connect_with_audio_node(&splitter)?;
        let analyser = |channel| {
            let analyser = context.create_analyser()?;
            analyser.set_fft_size(ANALYSED_FRAMES);
            splitter.connect_with_audio_node_and_output(&analyser, channel)?;
            Ok::<_, JsValue>(analyser)
        };
        let samples = RefCell::new(vec![0.0; ANALYSED_FRAMES as usize]);
        Ok(Self { analysers: [analyser(0)?, analyser(1)?], samples })
    }

    /// The levels of the last picture's time.
    pub fn levels(&self) -> Levels {
        self.peaks_of_newest(PICTURE_FRAMES)
    }

    /// The largest magnitude of the last tenth of a second.
    pub(super) fn peak(&self) -> f32 {
        self.peaks_of_newest(ANALYSED_FRAMES as usize).largest()
    }

    /// The largest magnitude of the last hundredth of a second.
    pub fn peak_now(&self) -> f32 {
        self.peaks_of_newest(ONSET_FRAMES).largest()
    }

    fn peaks_of_newest(&self, frames: usize) -> Levels {
        let mut samples = self.samples.borrow_mut();
        let mut peak = |analyser: &AnalyserNode| {
            analyser.get_float_time_domain_data(&mut samples);
            let from = samples.len().saturating_sub(frames);
            samples[from..].iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
        };
        Levels { left: peak(&self.analysers[0]), right: peak(&self.analysers[1]) }
    }
}

impl Levels {
    /// The louder channel's.
    pub fn largest(self) -> f32 {
        self.left.max(self.right)
    }
}
