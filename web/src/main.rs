//! The page's entry: mounts [`soundport_web::App`] on the document's body.

fn main() {
    yew::Renderer::<soundport_web::App>::new().render();
}
