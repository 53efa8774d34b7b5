use std::rc::Rc;

use soundport_api::Source;
use yew::{AttrValue, Html, Properties, component, html, use_effect_with, use_memo};

use super::CardFace;
use crate::hooks::{Board, Conditions, DeskHandle, use_listening, use_settings};
use crate::relay::Base;
use crate::state::{Move, Phase, Player};

/// One source, and where to hear it.
#[derive(Clone, PartialEq, Properties)]
pub struct SourceCardProps {
    /// The source, as the relay named it last.
    pub source: Source,
    /// Where the relay is.
    pub base: Rc<Base>,
    /// Whether the relay answers.
    pub reached: bool,
    /// The relay's run.
    pub instance: Option<AttrValue>,
    /// What plays on this page.
    pub desk: DeskHandle,
    /// Where levels come from while it is not listened to.
    pub levels: Board<[f32; 2]>,
}

/// A source that can be listened to.
#[component]
pub fn SourceCard(props: &SourceCardProps) -> Html {
    let (source, desk) = (&props.source, &props.desk);
    let id = use_memo(source.id.clone(), |id| AttrValue::from(id.clone()));
    let settings = use_settings(&id);
    let hushed = desk.now().is_hushed(&id);
    let gain = if hushed { 0.0 } else { settings.now().gain() };
    let conditions = Conditions {
        source: props.reached.then_some(source.state),
        instance: props.instance.clone(),
        gain,
        robust: settings.now().robust,
    };
    let listening = use_listening(&props.base, &id, conditions);
    let on = listening.is_on();
    let heard = *listening.phase() == Phase::Listening && gain > 0.0;
    let player = Player { id: (*id).clone(), title: source.title.clone().into(), heard };
    use_effect_with((on, player), {
        let desk = desk.clone();
        move |(on, player)| {
            desk.tell(if *on { Move::Plays(player.clone()) } else { Move::Ends(player.id.clone()) })
        }
    });
    use_effect_with((listening.listen.clone(), desk.now().resumes(&id)), {
        let (id, desk, stop) = ((*id).clone(), desk.clone(), listening.stop.clone());
        move |(listen, resumes)| {
            if *resumes {
                listen.emit(());
            }
            let listen = listen.clone();
            let turn = move |on| if on { listen.emit(()) } else { stop.emit(()) };
            let posted = desk.turns.post(id, turn.into());
            move || drop(posted)
        }
    });
    use_effect_with((), {
        let (id, desk) = ((*id).clone(), desk.clone());
        move |()| move || desk.tell(Move::Ends(id))
    });
    html! {
        <CardFace
            source={source.clone()}
            phase={listening.phase().clone()}
            {on}
            {settings}
            {hushed}
            solo={desk.now().is_solo(&id)}
            output={listening.output()}
            report={listening.report()}
            levels={props.levels.clone()}
            turn_solo={desk.solo(&id)}
            listen={listening.listen.clone()}
            stop={listening.stop}
        />
    }
}
