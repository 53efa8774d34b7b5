use std::cell::RefCell;
use std::rc::{Rc, Weak};

use wasm_bindgen_futures::spawn_local;
use yew::Callback;

use super::Desk;
use crate::rtc::{Devices, Microphone, MicrophoneNews};
use crate::state::{TalkEvent, Trouble};
use crate::store::{Choice, Device};

/// The page's one microphone, which all cards talk into, and which it is to be.
pub(super) struct Booth {
    desk: Weak<Desk>,
    choice: RefCell<Choice>,
    devices: RefCell<Rc<[Device]>>,
    /// Held by those who talk.
    open: RefCell<Weak<Microphone>>,
    watching: RefCell<Option<Devices>>,
}

impl Booth {
    pub(super) fn new(desk: Weak<Desk>) -> Self {
        Self {
            desk,
            choice: RefCell::new(Choice::remembered()),
            devices: RefCell::default(),
            open: RefCell::default(),
            watching: RefCell::default(),
        }
    }

    /// Which microphone is used, or is to be; and those that can be chosen.
    pub(super) fn choice(&self) -> (Choice, Rc<[Device]>) {
        let open = self.open.borrow().upgrade();
        let choice = open.map_or_else(|| self.choice.borrow().clone(), |open| open.choice().clone());
        (choice, Rc::clone(&self.devices.borrow()))
    }

    /// The microphone as it was chosen. The browser may ask the person first.
    pub(super) async fn microphone(&self) -> Result<Rc<Microphone>, Trouble> {
        let choice = self.choice.borrow().clone();
        if let Some(open) = self.open.borrow().upgrade()
            && *open.choice() == choice
        {
            return Ok(open);
        }
        let desk = self.desk.clone();
        let news = Callback::from(move |news| {
            if let Some(desk) = desk.upgrade() {
                desk.take_microphone_news(news);
            }
        });
        let opened = Microphone::open(choice, news.clone()).await;
        // Names of devices are told from now on.
        self.watching.replace(Some(Devices::watch(news)));
        let opened = Rc::new(opened?);
        self.open.replace(Rc::downgrade(&opened));
        Ok(opened)
    }

    /// Chooses a microphone, and how it hears; those who talk change over.
    pub(super) fn choose(&self, choose: impl FnOnce(&mut Choice, &[Device])) {
        choose(&mut self.choice.borrow_mut(), &self.devices.borrow());
        self.choice.borrow().remember();
        let Some(desk) = self.desk.upgrade() else { return };
        if self.open.borrow().upgrade().is_some() {
            spawn_local(async move {
                match desk.booth().microphone().await {
                    Ok(microphone) => desk.talk_into(&microphone),
                    Err(trouble) => desk.stop_talking(trouble),
                }
            });
        }
    }

    /// Lets go of the browser's events.
    pub(super) fn end(&self) {
        self.watching.take();
    }

    fn take_devices(&self, devices: Vec<Device>) {
        if let (Some(open), Some(desk)) = (self.open.borrow().upgrade(), self.desk.upgrade())
            && open.has_left(&devices)
        {
            desk.stop_talking(Trouble::Unplugged);
        }
        // The browser's own choice stands in the list already.
        let named = devices.into_iter().filter(|device| device.id != "default" && !device.label.is_empty());
        self.devices.replace(named.collect());
    }
}

/// What all talkers of the page are told.
impl Desk {
    pub(super) fn stop_talking(&self, trouble: Trouble) {
        self.talkers().iter().for_each(|talker| talker.tell(TalkEvent::Stopped(trouble)));
    }

    fn talk_into(&self, microphone: &Rc<Microphone>) {
        for talker in self.talkers().iter().filter(|talker| talker.microphone().is_some()) {
            talker.hear(Rc::clone(microphone));
        }
    }

    fn take_microphone_news(&self, news: MicrophoneNews) {
        match news {
            MicrophoneNews::Devices(devices) => {
                self.booth().take_devices(devices);
                self.changed();
            }
            MicrophoneNews::Permission(given) => self.take_permission(given),
            MicrophoneNews::Ended(trouble) => self.stop_talking(trouble),
        }
    }

    fn take_permission(&self, given: bool) {
        if !given {
            return self.stop_talking(Trouble::Revoked);
        }
        for talker in self.talkers() {
            if talker.view().talking.trouble() == Some(Trouble::Denied) {
                talker.tell(TalkEvent::End);
            }
        }
    }
}
