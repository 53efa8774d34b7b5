use yew::{Html, MouseEvent, html};

use crate::desk::{Copied, Desk};

/// A line to type, with a button that copies it.
pub(super) fn copy_line(desk: &Desk, line: String) -> Html {
    let copied = line.clone();
    let onclick = desk.callback(move |desk, _: MouseEvent| desk.copy(copied.clone()));
    let (label, said) = match desk.copied() {
        Copied::NotYet => ("Copy", ""),
        Copied::Done => ("Copied", "Copied."),
        Copied::Refused => ("Select it", "The browser does not copy here. Select the line by hand."),
    };
    html! {
        <div class="copy-line">
            <code tabindex="0">{ line }</code>
            <button type="button" class="button quiet" data-action="copy" {onclick}>{ label }</button>
            <span class="unseen" role="status">{ said }</span>
        </div>
    }
}
