use std::cell::RefCell;
use std::rc::{Rc, Weak};

use gloo_render::{AnimationFrame, request_animation_frame};
use web_sys::HtmlElement;
use yew::{AttrValue, Callback, Html, NodeRef, Properties, component, html, use_effect_with, use_memo};

use crate::desk::{LevelBoard, OpenGauge, Posted};
use crate::rtc::{Ballistics, Shown};

/// For those who asked their system for less motion, the picture changes this seldom.
const CALM_MILLIS: f64 = 250.0;

/// What a meter is made of: it never changes, only its levels do. The scale's marks are those of -48 to 0 dBFS.
const PARTS: &str = "<div class='channel'><span>L</span><div class='track left'><i class='bar'></i><i class='peak'></i></div></div>\
    <div class='channel'><span>R</span><div class='track right'><i class='bar'></i><i class='peak'></i></div></div>\
    <div class='scale'><span>−48</span><span>−36</span><span>−24</span><span>−12</span><span>0</span></div>";

/// What the microphone's meter is made of.
const OWN_PARTS: &str = "<div class='channel'><div class='track left'><i class='bar'></i><i class='peak'></i></div><span class='clip'>Clip</span></div>";

/// A sample of this magnitude may have been larger: the microphone's sound is cut off.
const FULL_SCALE: f32 = 0.999;

/// How long the mark stays that says so.
const CLIP_SHOWN_SECS: f32 = 1.5;

/// How a channel's bar and peak are called in the style sheet.
const PROPERTIES: [[&str; 2]; 2] = [["--left", "--left-peak"], ["--right", "--right-peak"]];

/// What is measured.
#[derive(Clone, PartialEq, Properties)]
pub struct MeterProps {
    /// The source's id; none for the own microphone.
    #[prop_or_default]
    pub source: Option<AttrValue>,
    /// What measures here; none while there is neither listening nor a microphone.
    pub gauge: Option<OpenGauge>,
    /// Where a source's levels come from while not listening.
    pub levels: LevelBoard,
}

/// The level of both channels, or of the microphone: seen, not read out, since its state stands in words beside it.
#[component]
pub fn Meter(props: &MeterProps) -> Html {
    let meter = use_memo((), |()| NodeRef::default());
    let meter = (*meter).clone();
    use_effect_with((props.gauge.clone(), props.levels.clone(), props.source.clone()), {
        let meter = meter.clone();
        move |(gauge, levels, source)| {
            let picture = Picture {
                meter,
                channels: Default::default(),
                drawn_at: None,
                calm: calm_is_wanted(),
                clipped_secs: source.is_none().then_some(CLIP_SHOWN_SECS),
            };
            let moving = match (gauge, source) {
                (Some(gauge), _) => Some(Shows::Heard(Moving::start(gauge.clone(), picture.clone()))),
                (None, Some(source)) => {
                    Some(Shows::Told(levels.post(source.clone(), picture.clone().told())))
                }
                (None, None) => None,
            };
            move || {
                drop(moving);
                picture.clear();
            }
        }
    });
    let parts = if props.source.is_some() { PARTS } else { OWN_PARTS };
    html! {
        <div class="meter" aria-hidden="true" ref={meter}>{ Html::from_html_unchecked(AttrValue::Static(parts)) }</div>
    }
}

/// Where the levels come from, until dropped.
enum Shows {
    Heard(#[expect(dead_code, reason = "draws until dropped")] Moving),
    Told(#[expect(dead_code, reason = "is told until dropped")] Posted),
}

/// Draws picture after picture until dropped.
struct Moving {
    _frame: Rc<RefCell<Option<AnimationFrame>>>,
}

#[derive(Clone)]
struct Picture {
    meter: NodeRef,
    channels: [Ballistics; 2],
    drawn_at: Option<f64>,
    calm: bool,
    /// How long ago the microphone was too loud; none where it is no microphone.
    clipped_secs: Option<f32>,
}

impl Moving {
    fn start(gauge: OpenGauge, picture: Picture) -> Self {
        let slot = Rc::new(RefCell::new(None));
        draw_next(Rc::downgrade(&slot), gauge, picture);
        Self { _frame: slot }
    }
}

/// Drawing stops when the slot is gone.
fn draw_next(slot: Weak<RefCell<Option<AnimationFrame>>>, gauge: OpenGauge, mut picture: Picture) {
    let Some(strong) = slot.upgrade() else { return };
    let frame = request_animation_frame(move |now_millis| {
        picture.draw(now_millis, &gauge);
        draw_next(slot, gauge, picture);
    });
    strong.replace(Some(frame));
}

impl Picture {
    fn draw(&mut self, now_millis: f64, gauge: &OpenGauge) {
        let since = now_millis - self.drawn_at.unwrap_or(now_millis);
        if self.calm && self.drawn_at.is_some() && since < CALM_MILLIS {
            return;
        }
        self.drawn_at = Some(now_millis);
        let levels = gauge.0.levels();
        let secs = (since / 1_000.0) as f32;
        if self.clipped_secs.is_some() {
            return self.draw_own(levels.largest(), secs);
        }
        for (channel, magnitude) in [levels.left, levels.right].into_iter().enumerate() {
            let shown = self.channels[channel].step(magnitude, secs);
            self.show(channel, shown);
        }
    }

    /// Draws the microphone's one bar, with a mark where it was too loud of late.
    fn draw_own(&mut self, magnitude: f32, secs: f32) {
        let shown = self.channels[0].step(magnitude, secs);
        self.show(0, shown);
        let clipped_secs =
            if magnitude >= FULL_SCALE { 0.0 } else { self.clipped_secs.unwrap_or(0.0) + secs };
        self.clipped_secs = Some(clipped_secs);
        self.mark("data-talk-level", Some(&permille(shown.bar)));
        self.mark("data-talk-clip", (clipped_secs < CLIP_SHOWN_SECS).then_some(""));
    }

    fn mark(&self, name: &str, value: Option<&str>) {
        let Some(meter) = self.meter.cast::<HtmlElement>() else { return };
        // These names are names of attributes.
        let _ = match value {
            Some(value) => meter.set_attribute(name, value),
            None => meter.remove_attribute(name),
        };
    }

    /// Draws what the relay tells: ten times a second, which the style sheet makes smooth.
    fn told(self) -> Callback<[f32; 2]> {
        Callback::from(move |sides: [f32; 2]| {
            for (channel, magnitude) in sides.into_iter().enumerate() {
                let bar = Ballistics::default().step(magnitude, 0.0).bar;
                self.show(channel, Shown { bar, peak: 0.0 });
            }
        })
    }

    fn clear(&self) {
        for channel in 0..PROPERTIES.len() {
            self.show(channel, Shown { bar: 0.0, peak: 0.0 });
        }
        if self.clipped_secs.is_some() {
            self.mark("data-talk-level", Some("0"));
            self.mark("data-talk-clip", None);
        }
    }

    fn show(&self, channel: usize, shown: Shown) {
        let Some(meter) = self.meter.cast::<HtmlElement>() else { return };
        let style = meter.style();
        for (property, share) in PROPERTIES[channel].into_iter().zip([shown.bar, shown.peak]) {
            // Custom properties take any text.
            let _ = style.set_property(property, &permille(share));
        }
    }
}

fn permille(share: f32) -> String {
    ((share * 1_000.0).round() as u16).to_string()
}

fn calm_is_wanted() -> bool {
    let asked = web_sys::window()
        .and_then(|window| window.match_media("(prefers-reduced-motion: reduce)").ok().flatten());
    asked.is_some_and(|asked| asked.matches())
}
