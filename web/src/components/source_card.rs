use std::rc::Rc;

use soundport_api::{Source, SourceState};
use yew::{AttrValue, Callback, Html, Properties, component, html, use_effect_with, use_memo};

use super::CardFace;
use crate::hooks::{use_listening, use_volume};
use crate::relay::Base;

/// One source, and where to hear it.
#[derive(Clone, PartialEq, Properties)]
pub struct SourceCardProps {
    /// The source, as the relay listed it last.
    pub source: Source,
    /// Where the relay is.
    pub base: Rc<Base>,
    /// Whether the relay answers.
    pub reached: bool,
    /// Told when the source begins and ends to be listened to.
    pub hold: Callback<(AttrValue, bool)>,
}

/// A source that can be listened to.
#[component]
pub fn SourceCard(props: &SourceCardProps) -> Html {
    let source = &props.source;
    let id = use_memo(source.id.clone(), |id| AttrValue::from(id.clone()));
    let volume = use_volume(&id);
    let live = props.reached && source.state == SourceState::Live;
    let listening = use_listening(&props.base, &id, live, volume.volume().gain());
    use_effect_with((listening.is_on(), props.hold.clone()), {
        let id = (*id).clone();
        move |(on, hold)| {
            hold.emit((id.clone(), *on));
            let hold = hold.clone();
            move || hold.emit((id, false))
        }
    });
    html! {
        <CardFace
            source={source.clone()}
            phase={listening.phase().clone()}
            on={listening.is_on()}
            {volume}
            output={listening.output()}
            report={listening.report()}
            listen={listening.listen.clone()}
            stop={listening.stop}
        />
    }
}
