use soundport_api::Source;
use yew::{Html, component, html};

use super::{SourceCard, header, notice};
use crate::desk::Desk;
use crate::hooks::use_desk;

/// The page.
#[component]
pub fn App() -> Html {
    let desk = use_desk();
    let roster = desk.roster();
    let shown: Vec<&Source> = roster.sources.iter().filter(|source| desk.shows(source)).collect();
    html! {
        <>
            { header::header(&desk, shown.len()) }
            <main>
                { notice::notices(&desk, shown.is_empty()) }
                <ul class="cards" aria-label="Sources" data-alone={desk.route().map(|_| "")}>
                    for source in shown {
                        <li key={source.id.clone()}>{ card(&desk, source) }</li>
                    }
                </ul>
            </main>
        </>
    }
}

fn card(desk: &Desk, source: &Source) -> Html {
    let (view, act) = desk.card(&source.id);
    html! { <SourceCard source={source.clone()} {view} {act} levels={desk.levels()} /> }
}
