use std::cell::RefCell;
use std::rc::{Rc, Weak};

use gloo_render::{AnimationFrame, request_animation_frame};
use web_sys::HtmlElement;
use yew::{AttrValue, Callback, Html, NodeRef, Properties, component, html, use_effect_with, use_node_ref};

use crate::hooks::{Board, OpenOutput, Posted};
use crate::rtc::{Ballistics, Shown, share_of_scale};

/// For those who asked their system for less motion, the picture changes this seldom.
const CALM_MILLIS: f64 = 250.0;

/// Where the scale's marks stand, in dBFS.
const MARKS_DB: [i8; 5] = [-48, -36, -24, -12, 0];

/// What is measured.
#[derive(Clone, PartialEq, Properties)]
pub struct MeterProps {
    /// The source's id.
    pub source: AttrValue,
    /// The way to the loudspeaker; none while not listening.
    pub output: Option<OpenOutput>,
    /// Where levels come from while not listening.
    pub levels: Board<[f32; 2]>,
}

/// The level of both channels: seen, not read out, since its state stands in words beside it.
#[component]
pub fn Meter(props: &MeterProps) -> Html {
    let (left, right) = (use_node_ref(), use_node_ref());
    use_effect_with((props.output.clone(), props.levels.clone(), props.source.clone()), {
        let bars = [left.clone(), right.clone()];
        move |(output, levels, source)| {
            let picture =
                Picture { bars, channels: Default::default(), drawn_at: None, calm: calm_is_wanted() };
            let moving = match output {
                Some(output) => Shows::Heard(Moving::start(output.clone(), picture.clone())),
                None => Shows::Told(levels.post(source.clone(), picture.clone().told())),
            };
            move || {
                drop(moving);
                picture.clear();
            }
        }
    });
    html! {
        <div class={if props.output.is_some() { "meter" } else { "meter told" }} aria-hidden="true">
            { channel("L", left) }
            { channel("R", right) }
            <div class="scale">
                for mark in MARKS_DB {
                    <span style={format!("--at: {}", permille(share_of_scale(mark.into())))}>{ mark.to_string().replace('-', "−") }</span>
                }
            </div>
        </div>
    }
}

fn channel(name: &'static str, track: NodeRef) -> Html {
    html! { <div class="channel"><span>{ name }</span><div class="track" ref={track}><i class="bar" /><i class="peak" /></div></div> }
}

/// Where the levels come from, until dropped.
enum Shows {
    Heard(#[expect(dead_code, reason = "draws until dropped")] Moving),
    Told(#[expect(dead_code, reason = "is told until dropped")] Posted<[f32; 2]>),
}

/// Draws picture after picture until dropped.
struct Moving {
    _frame: Rc<RefCell<Option<AnimationFrame>>>,
}

#[derive(Clone)]
struct Picture {
    bars: [NodeRef; 2],
    channels: [Ballistics; 2],
    drawn_at: Option<f64>,
    calm: bool,
}

impl Moving {
    fn start(output: OpenOutput, picture: Picture) -> Self {
        let slot = Rc::new(RefCell::new(None));
        draw_next(Rc::downgrade(&slot), output, picture);
        Self { _frame: slot }
    }
}

/// Drawing stops when the slot is gone.
fn draw_next(slot: Weak<RefCell<Option<AnimationFrame>>>, output: OpenOutput, mut picture: Picture) {
    let Some(strong) = slot.upgrade() else { return };
    let frame = request_animation_frame(move |now_millis| {
        picture.draw(now_millis, &output);
        draw_next(slot, output, picture);
    });
    strong.replace(Some(frame));
}

impl Picture {
    fn draw(&mut self, now_millis: f64, output: &OpenOutput) {
        let since = now_millis - self.drawn_at.unwrap_or(now_millis);
        if self.calm && self.drawn_at.is_some() && since < CALM_MILLIS {
            return;
        }
        self.drawn_at = Some(now_millis);
        let levels = output.0.levels();
        for (channel, magnitude) in [levels.left, levels.right].into_iter().enumerate() {
            let shown = self.channels[channel].step(magnitude, (since / 1_000.0) as f32);
            self.show(channel, shown);
        }
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
        for channel in 0..self.bars.len() {
            self.show(channel, Shown { bar: 0.0, peak: 0.0 });
        }
    }

    fn show(&self, channel: usize, shown: Shown) {
        let Some(track) = self.bars[channel].cast::<HtmlElement>() else { return };
        let style = track.style();
        // Custom properties take any text.
        let _ = style.set_property("--bar", &permille(shown.bar));
        let _ = style.set_property("--peak", &permille(shown.peak));
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
