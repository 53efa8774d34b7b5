use std::rc::Rc;

use yew::{Html, component, html, use_memo};

use super::{Header, Notice, SourceCard};
use crate::hooks::{Link, use_sources};
use crate::relay::Base;

/// The page.
#[component]
pub fn App() -> Html {
    let base: Rc<Base> = use_memo((), |()| Base::of_page());
    let sources = use_sources(&base);
    let (list, link) = (sources.list(), sources.link());
    html! {
        <>
            <Header {link} sources={list.len()} />
            <main>
                <Notice {link} base={Rc::clone(&base)} empty={list.is_empty()} />
                if !list.is_empty() {
                    <ul class="cards" aria-label="Sources">
                        for source in list {
                            <li key={source.id.clone()}>
                                <SourceCard
                                    source={source.clone()}
                                    base={Rc::clone(&base)}
                                    reached={link == Link::Up}
                                    hold={sources.hold.clone()}
                                />
                            </li>
                        }
                    </ul>
                }
            </main>
        </>
    }
}
