//! The verified mark: what sets it, what takes it away, and what its owner is told.

use crate::common::Dice;
use crate::common::persona::Persona;
use crate::scene::{NOW, Scene, fetch};
use waxwing_protocol::feed::body::{Body, Lists};
use waxwing_protocol::id::{B32, Fixed, Hash16};
use waxwing_protocol::identity::account::SPARE_EPOCH_MIN;
use waxwing_protocol::identity::list::Device;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::{Answer, Refusal, RefusalKind};
use waxwing_protocol::private::Secret;
use waxwing_protocol::query;
use waxwing_protocol::session::handshake::Target;
use waxwing_protocol::session::heal_psk;

fn verify(scene: &mut Scene, compared: Option<&str>) -> Result<Answer, Refusal> {
    scene.bob.ask(Command::Verify {
        name: "carol".into(),
        compared: compared.map(Into::into),
    })
}

fn safety(scene: &Scene) -> query::SafetyView {
    let found = query::safety(&scene.bob.store, "carol").unwrap();
    found.unwrap().expect("her keys are known")
}

/// Verified, and in question.
fn mark(scene: &Scene) -> (bool, bool) {
    let view = query::contact(&scene.bob.store, "carol").unwrap().unwrap();
    (view.verified, view.doubted)
}

/// Codes of the notices that stand in the conversation.
fn told(scene: &Scene) -> Vec<String> {
    let views = query::notices(&scene.bob.store, "carol").unwrap().unwrap();
    views.into_iter().map(|notice| notice.code).collect()
}

fn verified() -> Scene {
    let mut scene = Scene::new(1);
    let number = safety(&scene).number;
    verify(&mut scene, Some(&number)).unwrap();
    scene
}

#[test]
fn the_compared_number_sets_the_mark_and_nothing_else_does() {
    let mut scene = Scene::new(1);
    let before = safety(&scene);
    assert_eq!(mark(&scene), (false, false));
    let mut wrong = before.number.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '0' { '1' } else { '0' });
    for bad in ["", "12345", &wrong] {
        let refusal = verify(&mut scene, Some(bad)).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Conflict);
        assert_eq!(refusal.code, "safety_number_differs");
    }
    assert_eq!(mark(&scene), (false, false));
    let spaceless: String = before.number.split(' ').collect();
    verify(&mut scene, Some(&spaceless)).unwrap();
    assert_eq!(mark(&scene), (true, false));
    let after = safety(&scene);
    assert!(after.verified && after.number == before.number && after.code == before.code);
    verify(&mut scene, Some(&before.number)).unwrap();
    verify(&mut scene, None).unwrap();
    assert_eq!(mark(&scene), (false, false));
    verify(&mut scene, None).unwrap();
    assert_eq!(told(&scene), ["verified", "unverified"], "told once each");
}

#[test]
fn the_number_is_the_one_that_a_request_showed() {
    let scene = Scene::new(5);
    let requests = query::requests(&scene.bob.store).unwrap();
    assert_eq!(requests[0].safety_number, safety(&scene).number);
}

#[test]
fn nobody_is_verified_before_their_keys_are_known() {
    let mut scene = Scene::new(1);
    let link = crate::common::node::Node::new(9, "dave").link(1, None);
    let name = Some("dave".into());
    let note = None;
    scene.bob.ask(Command::Add { link, name, note }).unwrap();
    let store = &scene.bob.store;
    assert_eq!(query::safety(store, "dave").unwrap(), Some(None));
    assert_eq!(query::safety(store, "erin").unwrap(), None);
    let compared = Some("1".into());
    let name = "dave".into();
    let refusal = scene.bob.ask(Command::Verify { name, compared });
    assert_eq!(refusal.unwrap_err().code, "keys_unknown");
}

/// Carol's device begins a new session, proving what `psk` says, or her link.
fn begin_anew(scene: &mut Scene, psk: Option<(Hash16, Secret<32>)>, link: bool) {
    let (invite, plain, bundle) = fetch(&mut scene.bob, 1);
    let seed = &invite.seed;
    let of_link = || {
        let id = waxwing_protocol::discovery::invite::id(seed);
        let psk = waxwing_protocol::discovery::invite::psk(seed);
        (Fixed(id.0), psk)
    };
    let target = Target {
        bundle: &bundle,
        bundle_hash: plain.bundle.hash(),
        opk: plain.opk.filter(|_| link).map(|opk| (opk.id, opk.key)),
        psk: psk.or_else(|| link.then(of_link)),
    };
    let before = scene.reached.keys.sid;
    scene.reached = scene.carol.reach(&target, NOW + 1, &mut scene.dice);
    scene.opened = scene.reached.session.clone();
    assert_ne!(before, scene.reached.keys.sid);
    let profile = Body::Profile(waxwing_protocol::feed::body::Profile {
        name: "carol".into(),
        note: None,
    });
    scene.say(&profile, None, None);
}

#[test]
fn a_session_made_anew_takes_the_mark_away_unless_it_proves_the_old_one() {
    let mut scene = verified();
    let proof = heal_psk(&scene.reached.keys.k_exp);
    begin_anew(&mut scene, Some(proof), false);
    assert_eq!(mark(&scene), (true, false));
    assert_eq!(told(&scene), ["verified"]);
    for link in [false, true] {
        let mut scene = verified();
        begin_anew(&mut scene, None, link);
        assert_eq!(mark(&scene), (false, true), "with a link: {link}");
        assert_eq!(told(&scene), ["verified", "session_unproven"]);
        // The same number, compared again, brings it back.
        let number = safety(&scene).number;
        verify(&mut scene, Some(&number)).unwrap();
        assert_eq!(mark(&scene), (true, false));
    }
    // To somebody who was never verified nothing is lost by another link.
    let mut scene = Scene::new(1);
    begin_anew(&mut scene, None, true);
    assert!(told(&scene).is_empty());
}

fn device(of: &Persona) -> Device {
    Device {
        id: of.own.device,
        dsk: of.own.dsk.public(),
        dik: of.own.dik.public(),
        added: NOW,
        caps: 1,
    }
}

/// Carol tells her newest objects inside the session.
fn tell_lists(scene: &mut Scene) {
    let lists = Body::Lists(Lists {
        statement: scene.carol.objects.statement.clone(),
        list: scene.carol.objects.list.clone(),
    });
    scene.say(&lists, None, None);
}

#[test]
fn devices_that_come_and_go_are_told() {
    let mut scene = verified();
    let other = Persona::new("other", NOW, &mut Dice(5));
    scene.carol.issue(|list| {
        list.version += 1;
        list.devices.push(device(&other));
    });
    tell_lists(&mut scene);
    assert_eq!(told(&scene), ["verified", "device_added"]);
    // A list issued anew with the same devices is no news.
    scene.carol.issue(|list| list.version += 1);
    tell_lists(&mut scene);
    scene.carol.issue(|list| {
        list.version += 1;
        list.revoked.push(other.own.device);
    });
    tell_lists(&mut scene);
    assert_eq!(told(&scene), ["verified", "device_added", "device_removed"]);
    // Another key under a known id is another device.
    scene.carol.issue(|list| {
        list.version += 1;
        list.devices[0].dsk = B32::ZERO;
    });
    tell_lists(&mut scene);
    assert_eq!(told(&scene)[3..], ["device_added", "device_removed"]);
    assert_eq!(mark(&scene), (true, false), "root 0 is the same");
}

#[test]
fn another_signing_key_and_another_root_are_told() {
    let mut scene = verified();
    let number = safety(&scene).number;
    let root = scene.carol.root.clone();
    scene.carol.state(&root, 2, None);
    scene
        .carol
        .issue(|list| (list.epoch, list.version) = (2, 1));
    tell_lists(&mut scene);
    assert_eq!(told(&scene), ["verified", "account_key_changed"]);
    let spare = scene.carol.spare.clone();
    let epoch = SPARE_EPOCH_MIN;
    scene.carol.state(&spare, epoch, Some(spare.public()));
    scene
        .carol
        .issue(|list| (list.epoch, list.version) = (epoch, 1));
    tell_lists(&mut scene);
    assert_eq!(told(&scene)[2..], ["root_changed"]);
    assert_eq!(safety(&scene).number, number, "it names root 0");
    assert_eq!(mark(&scene), (true, false));
}

#[test]
fn notices_stand_behind_what_was_said_before_them() {
    let mut scene = Scene::new(1);
    let ours = scene.conversation();
    let start = scene.bob.now;
    scene.text("before", ours, start + 7);
    let number = safety(&scene).number;
    verify(&mut scene, Some(&number)).unwrap();
    scene.text("after", ours, start + 8);
    let notices = query::notices(&scene.bob.store, "carol").unwrap().unwrap();
    assert_eq!((notices[0].clock, notices[0].at), (start + 7, start));
}
