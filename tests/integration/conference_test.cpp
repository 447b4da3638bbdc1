// Conferences as the recording client sees them, by the real binaries: a focus by hand (a SIP user
// agent that answers with `isfocus` and tells who takes part, RFC 4575), phones in its conference,
// and our server, whose timeline has to tell who came and went.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

#include "integration/agent_phone.h"
#include "integration/harness.h"
#include "integration/msrp_peer.h"
#include "integration/udp_service.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using sip::HeaderId;
using sip::Method;
using testing::ElementsAre;
using testing::HasSubstr;

// Says something all the time: PCMU, wherever it is told to.
class Voice {
public:
    Voice() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
        socklen_t size = sizeof any;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&any), &size);
        port_ = ntohs(any.sin_port);
    }
    Voice(const Voice&) = delete;
    Voice& operator=(const Voice&) = delete;
    ~Voice() { ::close(socket_); }

    std::uint16_t port() const { return port_; }
    // To the first m=audio of a description at 127.0.0.1.
    void talk_to(std::string_view sdp) {
        const std::size_t at = sdp.find("m=audio ");
        ASSERT_NE(at, std::string_view::npos) << sdp;
        to_ = static_cast<std::uint16_t>(std::stoi(std::string(sdp.substr(at + 8, 5))));
    }
    void say() {
        if (to_ == 0) return;
        std::array<std::uint8_t, 172> packet{};
        packet[0] = 0x80;
        ++sequence_;
        packet[2] = static_cast<std::uint8_t>(sequence_ >> 8U);
        packet[3] = static_cast<std::uint8_t>(sequence_);
        const std::uint32_t time = sequence_ * 160U;
        for (std::size_t i = 0; i < 4; ++i)
            packet[4 + i] = static_cast<std::uint8_t>(time >> (24U - 8U * i));
        packet[11] = 77;  // SSRC
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(to_);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::sendto(socket_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&to),
                 sizeof to);
    }

private:
    int socket_;
    std::uint16_t port_ = 0;
    std::uint16_t to_ = 0;
    std::uint16_t sequence_ = 0;
};

std::string user(const std::string& name, const std::string& inside,
                 const std::string& attributes = {}) {
    return "<user entity=\"sip:" + name + "@desk.example\"" + attributes + "><display-text>" +
           name + "</display-text>" + inside + "</user>";
}
std::string endpoint(const std::string& name, const std::string& status,
                     const std::string& more = {}) {
    return "<endpoint entity=\"sip:" + name + "@192.0.2.9\"><status>" + status + "</status>" +
           more + "</endpoint>";
}
std::string audio(const std::string& status, const std::string& ssrc = "4711") {
    return "<media id=\"1\"><type>audio</type><src-id>" + ssrc + "</src-id><status>" + status +
           "</status></media>";
}
std::string present(const std::string& name) {
    return user(name, endpoint(name, "connected", audio("sendrecv")));
}

class Conference : public testing::Test {
protected:
    void begin(const std::string& config = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n" + config))
            << client_.log();
        phones_ = std::make_unique<AgentPhones>(client_.sip());
        room_ = &phones_->add("room");
        client_flow_.remote = *base::parse_net_address(client_.sip());
    }
    std::string focus_sdp() const {
        return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
               "m=audio " +
               std::to_string(voice_.port()) + " RTP/AVP 0\r\na=sendrecv\r\n";
    }
    // The focus answers an INVITE that has come.
    sip::DialogId answer(const sip::RequestArrived& invite, std::string sdp = {},
                         std::vector<sip::ExtraHeader> headers = {}) {
        voice_.talk_to(base::as_text(invite.message.body()));
        return room_->respond(invite.transaction, {.status = 200,
                                                   .headers = std::move(headers),
                                                   .content_type = "application/sdp",
                                                   .body = sdp.empty() ? focus_sdp() : sdp,
                                                   .contact_parameters = ";isfocus"});
    }
    // A phone calls the conference through the client.
    AgentPhones::Call enter(AgentPhone& phone) {
        const sip::TransactionId invite = phone.start(phone.request_to(room_->uri()));
        const auto arrived = phones_->request_at(*room_, Method::Invite);
        AgentPhones::Call made;
        made.callee = answer(arrived);
        std::optional<sip::ResponseArrived> answered;
        EXPECT_TRUE(phones_->serve_until([&] {
            answered = phone.take<sip::ResponseArrived>([&](const auto& response) {
                return response.transaction == invite && response.message.status() >= 200;
            });
            return answered.has_value();
        }));
        if (!answered) return made;
        made.caller = answered->dialog;
        phone.acknowledge(made.caller);
        return made;
    }
    // The subscription that the client makes then.
    void take_subscription(const std::string& expires = "3600") {
        subscribe_.emplace(phones_->request_at(*room_, Method::Subscribe));
        EXPECT_EQ(subscribe_->message.find("Event"), "conference");
        EXPECT_THAT(std::string(subscribe_->message.find("Accept").value_or("")),
                    HasSubstr("application/conference-info+xml"));
        tag_ = room_->agent().local_tag(subscribe_->transaction);
        room_->respond(subscribe_->transaction, {.status = 200, .headers = {{"Expires", expires}}});
    }
    int notify_raw(const std::string& type, const std::string& body,
                   const std::string& state = "active;expires=3600") {
        sip::OutOfDialogSpec spec;
        spec.method = "NOTIFY";
        const auto contact =
            sip::parse_name_addr(*subscribe_->message.first_value(HeaderId::Contact));
        spec.request_uri = contact->uri;
        spec.from = "<" + room_->uri() + ">";
        spec.from_tag = tag_;
        spec.to = subscribe_->message.find(HeaderId::From).value_or("");
        spec.call_id = subscribe_->message.call_id();
        spec.cseq = ++cseq_;
        spec.flow = client_flow_;
        spec.headers = {{"Event", "conference"}, {"Subscription-State", state}};
        spec.content_type = type;
        spec.body = body;
        return phones_->final_at(*room_, room_->start(spec)).status();
    }
    int notify(int version, const std::string& content, const std::string& state = "partial") {
        return notify_raw("application/conference-info+xml",
                          "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" "
                          "xmlns:x=\"urn:ietf:params:xml:ns:xcon-conference-info\" entity=\"" +
                              room_->uri() + "\" state=\"" + state + "\" version=\"" +
                              std::to_string(version) + "\">" + content + "</conference-info>");
    }
    int notify_users(int version, const std::string& users, const std::string& state = "partial") {
        return notify(version, "<users state=\"" + state + "\">" + users + "</users>", state);
    }
    // The running recording knows that somebody is there; the focus talks meanwhile.
    void expect_at_server(const std::string& name) {
        EXPECT_TRUE(phones_->serve_until([&] {
            voice_.say();
            for (const json& recording : server_.list())
                for (const json& participant : recording["participants"])
                    if (participant["aor"] == "sip:" + name + "@desk.example") return true;
            return false;
        })) << name
            << client_.log() << server_.list().dump(1);
    }
    // Each in a document of its own, so that what came before has been told.
    void expect_told(int version, const std::string& users, const std::string& mark) {
        EXPECT_EQ(notify_users(version, users + present(mark)), 200);
        expect_at_server(mark);
    }
    // What the client says of the only conference that it follows.
    void expect_at_conference(std::size_t present) {
        json shown;
        EXPECT_TRUE(phones_->serve_until([&] {
            voice_.say();
            shown = json::parse(client_.run({"attend", "rosters", "--json"}).out, nullptr, false);
            return shown.is_array() && shown.size() == 1 && shown[0]["present"] == present &&
                   shown[0]["left_out"] > 0;
        })) << shown;
    }
    bool was_logged(const std::string& text) const {
        return client_.log().find(text) != std::string::npos;
    }
    void expect_logged(const std::string& text) {
        EXPECT_TRUE(phones_->serve_until([&] {
            voice_.say();
            return was_logged(text);
        })) << text
            << "\n"
            << client_.log();
    }
    void read_recording() {
        const json list = server_.wait_for_recordings(1);
        ASSERT_TRUE(list.is_array() && !list.empty()) << client_.log() << server_.log();
        recording_ = list[0];
        const auto file = (server_.scratch() / "all.json").string();
        ASSERT_EQ(
            server_.run({"export", recording_["id"], "--format", "json", "-o", file}).exit_code, 0);
        all_ = json::parse(read_file(file), nullptr, false);
    }
    // Of the timeline: what happened to one, in its order, but for the word "participant_".
    std::vector<std::string> told_of(const std::string& name) const {
        std::vector<std::string> told;
        for (const json& event : all_["events"]) {
            const std::string type = event["type"];
            if (type.rfind("participant_", 0) == 0 &&
                event["participant"] == "sip:" + name + "@desk.example")
                told.push_back(type.substr(12));
        }
        return told;
    }
    json event(const std::string& type, const std::string& name) const {
        for (const json& one : all_["events"])
            if (one["type"] == type && one["participant"] == "sip:" + name + "@desk.example")
                return one;
        return json::object();
    }

    TestServer server_;
    TestClient client_;
    std::unique_ptr<AgentPhones> phones_;
    AgentPhone* room_ = nullptr;
    Voice voice_;
    sip::Flow client_flow_;
    std::optional<sip::RequestArrived> subscribe_;
    std::string tag_;
    std::uint32_t cseq_ = 0;
    json recording_;
    json all_;
};

TEST_F(Conference, TheTimelineTellsWhoWasThereWhenItsPhoneIsRecorded) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    const auto call = enter(ada);
    take_subscription();
    const std::string joined =
        "<joining-method>dialed-in</joining-method><joining-info><when>2026-01-02T03:04:05Z</when>"
        "</joining-info>";
    EXPECT_EQ(
        notify(1,
               "<conference-description><subject>Review</subject></conference-description>"
               "<users>" +
                   user("ben", endpoint("ben", "connected", joined + audio("sendrecv"))) +
                   present("chloe") + user("gone", endpoint("gone", "disconnected")) + "</users>",
               "full"),
        200);
    expect_at_server("chloe");
    // Ben is muted; Dov comes, presents and has a nickname.
    expect_told(2,
                user("ben", endpoint("ben", "connected", audio("recvonly")), " state=\"partial\"") +
                    user("dov", "<roles><entry>presenter</entry></roles>" +
                                    endpoint("dov", "connected", audio("sendrecv", "99")) +
                                    "<x:nickname>dovie</x:nickname>"),
                "mark1");
    // Ben is thrown out, Chloe held.
    expect_told(
        3,
        user("ben",
             endpoint("ben", "disconnected",
                      "<disconnection-method>booted</disconnection-method>"
                      "<disconnection-info><reason>too loud</reason></disconnection-info>")) +
            user("chloe", endpoint("chloe", "on-hold")),
        "mark2");
    // Ben comes back, Chloe is there again.
    expect_told(4, present("ben") + present("chloe"), "mark3");
    phones_->hang_up(ada, call.caller, *room_);
    const auto bye = phones_->request_at(*room_, Method::Subscribe);
    EXPECT_EQ(bye.message.find("Expires"), "0");
    EXPECT_FALSE(bye.message.to_tag().empty());
    room_->respond(bye.transaction, {.status = 200});

    read_recording();
    EXPECT_THAT(told_of("ben"), ElementsAre("joined", "muted", "left", "joined", "left"))
        << all_["events"];
    EXPECT_THAT(told_of("chloe"), ElementsAre("joined", "held", "resumed", "left"))
        << all_["events"];
    EXPECT_THAT(told_of("gone"), ElementsAre());
    EXPECT_EQ(event("participant_joined", "ben")["at"], "2026-01-02T03:04:05.000Z");
    EXPECT_EQ(event("participant_joined", "ben")["media"], "sends");
    EXPECT_EQ(event("participant_left", "ben")["reason"], "booted: too loud");
    EXPECT_EQ(event("participant_joined", "dov")["nickname"], "dovie");
    EXPECT_EQ(event("participant_joined", "dov")["roles"], json({"presenter"}));
    // The metadata: the focus is one, and the conference has its subject.
    const std::string extensions = recording_["extensions"].dump();
    EXPECT_THAT(extensions, HasSubstr("Review"));
    EXPECT_THAT(extensions, HasSubstr(room_->uri().substr(room_->uri().find('@') + 1)));
    bool has_focus = false;
    for (const json& one : all_["events"])
        has_focus =
            has_focus || (one["type"] == "participant_joined" && one.value("is_focus", false));
    EXPECT_TRUE(has_focus) << all_["events"];
}

TEST_F(Conference, APhoneThatTheRosterNamesIsNoSecondParticipant) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    const auto call = enter(ada);
    take_subscription();
    const std::string own = ada.uri();
    EXPECT_EQ(notify_users(1,
                           "<user entity=\"" + own + "\"><display-text>Ada</display-text>" +
                               endpoint("ada", "connected", audio("sendrecv")) + "</user>" +
                               present("ben"),
                           "full"),
              200);
    expect_at_server("ben");
    phones_->hang_up(ada, call.caller, *room_);
    read_recording();
    std::multiset<std::string> aors;
    for (const json& one : recording_["participants"]) aors.insert(one["aor"].get<std::string>());
    EXPECT_EQ(aors.count(own), 1U) << recording_["participants"];
    EXPECT_EQ(aors.size(), 3U) << recording_["participants"];  // Ada, the focus, Ben
}

// RFC 4575 section 5.9: a breakout that the roster names is a conference of its own; calls to it
// are found with those to the main one.
TEST_F(Conference, ASidebarThatTheRosterNamesIsInTheGroupOfItsConference) {
    begin();
    AgentPhone& side = phones_->add("side");
    AgentPhone& stranger = phones_->add("stranger");
    // The URI of a conference is the Contact of its focus: of these phones it has no user.
    std::string uri = side.uri();
    uri.erase(uri.find("side@"), 5);
    enter(phones_->add("ada"));
    take_subscription();
    EXPECT_EQ(notify(1,
                     "<users>" + present("chloe") + "</users><sidebars-by-ref><entry><uri>" + uri +
                         "</uri></entry></sidebars-by-ref>",
                     "full"),
              200);
    expect_at_server("chloe");
    const auto enter_another = [&](AgentPhone& focus, const std::string& phone,
                                   const std::string& member) {
        room_ = &focus;
        enter(phones_->add(phone));
        take_subscription();
        EXPECT_EQ(notify_users(1, present(member), "full"), 200);
        expect_at_server(member);
    };
    enter_another(side, "ben", "dov");
    enter_another(stranger, "cid", "eve");
    std::map<std::string, std::string> groups;
    for (const json& recording : server_.list())
        for (const json& participant : recording["participants"])
            groups[participant["aor"].get<std::string>()] = recording.value("group", "");
    EXPECT_NE(groups["sip:chloe@desk.example"], "");
    EXPECT_EQ(groups["sip:dov@desk.example"], groups["sip:chloe@desk.example"]);
    EXPECT_NE(groups["sip:eve@desk.example"], groups["sip:chloe@desk.example"]);
}

// Two calls through the client to one focus: each hears the other in its mix, so they are sessions
// of one group (RFC 7865 section 6.2), in which everybody has one id (section 6.5).
TEST_F(Conference, CallsToItAreOneGroupInWhichEachIsTheSameParticipant) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    AgentPhone& ben = phones_->add("ben");
    const std::string users = "<user entity=\"" + ada.uri() + "\">" +
                              endpoint("ada", "connected", audio("sendrecv")) +
                              "</user><user entity=\"" + ben.uri() + "\">" +
                              endpoint("ben", "connected", audio("sendrecv")) + "</user>";
    const auto first = enter(ada);
    take_subscription();
    EXPECT_EQ(notify_users(1, users + present("chloe"), "full"), 200);
    expect_at_server("chloe");
    const auto second = enter(ben);
    take_subscription();
    EXPECT_EQ(notify_users(1, users + present("dov"), "full"), 200);
    expect_at_server("dov");
    phones_->hang_up(ada, first.caller, *room_);
    phones_->hang_up(ben, second.caller, *room_);

    const json all = server_.wait_for_recordings(2);
    ASSERT_EQ(all.size(), 2U) << client_.log() << server_.log();
    EXPECT_NE(all[0].value("group", ""), "") << all[0].dump(1);
    EXPECT_EQ(all[0].value("group", ""), all[1].value("group", ""));
    std::map<std::string, std::string> ids;
    for (const json& recording : all) {
        EXPECT_EQ(recording["participants"].size(), 4U) << recording.dump(1);
        const Output xml = server_.run(
            {"export", recording["id"].get<std::string>(), "--format", "xml", "-o", "-"});
        const std::string key = "<participant participant_id=\"";
        for (std::size_t at = xml.out.find(key); at != std::string::npos;
             at = xml.out.find(key, at)) {
            at += key.size();
            const std::string id = xml.out.substr(at, xml.out.find('"', at) - at);
            const std::size_t aor = xml.out.find("aor=\"", at) + 5;
            const auto known =
                ids.emplace(xml.out.substr(aor, xml.out.find('"', aor) - aor), id).first;
            EXPECT_EQ(known->second, id) << known->first << xml.out;
        }
    }
    EXPECT_EQ(ids.size(), 5U);  // the focus and the four
}

// A member that is itself a conference is one of ours, too: a focus.
TEST_F(Conference, ACascadedConferenceIsAFocusOnTheTimeline) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    const auto call = enter(ada);
    take_subscription();
    EXPECT_EQ(notify_users(1,
                           user("north", "<cascaded-focus>sip:north@desk.example</cascaded-focus>" +
                                             endpoint("north", "connected", audio("sendrecv"))) +
                               present("ben"),
                           "full"),
              200);
    expect_at_server("ben");
    phones_->hang_up(ada, call.caller, *room_);
    read_recording();
    EXPECT_EQ(event("participant_joined", "north").value("is_focus", false), true)
        << all_["events"];
    EXPECT_EQ(event("participant_joined", "ben").value("is_focus", false), false);
}

TEST_F(Conference, AFocusThatRefusesIsToldAndTheCallRecordedAllTheSame) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    const auto call = enter(ada);
    const auto subscribe = phones_->request_at(*room_, Method::Subscribe);
    room_->respond(subscribe.transaction, {.status = 489});
    expect_logged("recording: roster_refused");
    EXPECT_TRUE(was_logged("489")) << client_.log();
    for (int i = 0; i < 20; ++i) voice_.say();
    phones_->hang_up(ada, call.caller, *room_);
    read_recording();
    EXPECT_EQ(recording_["participants"].size(), 2U);
}

TEST_F(Conference, WhatAFocusTellsWronglyIsToldAndBounded) {
    begin();
    AgentPhone& ada = phones_->add("ada");
    const auto call = enter(ada);
    take_subscription();
    EXPECT_EQ(notify_raw("application/conference-info+xml", "this is no XML"), 400);
    EXPECT_EQ(notify_raw("text/plain", "hello"), 415);
    expect_logged("recording: roster_fault");
    // The first fault makes it ask for the whole state.
    const auto refresh = phones_->request_at(*room_, Method::Subscribe);
    EXPECT_EQ(refresh.message.to_tag(), tag_);
    room_->respond(refresh.transaction, {.status = 200, .headers = {{"Expires", "3600"}}});
    EXPECT_EQ(notify_users(7, present("ben"), "full"), 200);
    expect_at_server("ben");
    // A version is missing: nothing of it is believed.
    EXPECT_EQ(notify_users(9, present("nobody")), 200);
    EXPECT_EQ(notify_users(7, present("nobody"), "full"), 200);  // an old one
    // More users than the metadata of a recording holds.
    std::string many;
    for (int i = 0; i < 1'800; ++i) many += "<user entity=\"sip:u" + std::to_string(i) + "@d\"/>";
    EXPECT_EQ(notify_users(20, present("ben") + many, "full"), 200);
    expect_logged("1768 more changes");
    expect_at_conference(1'801);
    phones_->hang_up(ada, call.caller, *room_);
    read_recording();
    EXPECT_LE(recording_["participants"].size(), 160U);
    EXPECT_THAT(recording_["extensions"].dump(), HasSubstr("left-out"));
    EXPECT_THAT(told_of("nobody"), ElementsAre());
}

// ---- the client itself in the conference ------------------------------------------------------

TEST_F(Conference, TheClientAttendsAConferenceAndRecordsIt) {
    begin();
    const auto file = (client_.scratch() / "attend.json").string();
    Process attending({earshot_binary(), "attend", "start", room_->uri(), "--no-video", "--data",
                       client_.data().string(), "--json"},
                      file, file + ".err");
    const auto invite = phones_->request_at(*room_, Method::Invite);
    const std::string offer{base::as_text(invite.message.body())};
    EXPECT_THAT(offer, HasSubstr("a=record:on"));
    EXPECT_THAT(std::string(invite.message.find("Contact").value_or("")), HasSubstr("+sip.src"));
    const sip::DialogId dialog = answer(invite);
    EXPECT_TRUE(phones_->serve_until([&] {
        return room_->take<sip::AckArrived>([](const auto& /*ack*/) { return true; }).has_value();
    }));
    take_subscription();
    EXPECT_EQ(notify_users(1, present("ben") + present("chloe"), "full"), 200);
    expect_at_server("chloe");
    EXPECT_EQ(attending.wait(), 0) << read_file(file + ".err");
    const json begun = json::parse(read_file(file), nullptr, false);
    ASSERT_TRUE(begun.contains("id")) << begun;
    const json shown = json::parse(client_.run({"attend", "ls", "--json"}).out, nullptr, false);
    ASSERT_EQ(shown.size(), 1U) << shown;
    EXPECT_EQ(shown[0]["state"], "attending");
    EXPECT_EQ(shown[0]["recording"]["state"], "recording");
    for (int i = 0; i < 20; ++i) voice_.say();

    // The focus asks again, as one does for a session timer.
    const sip::TransactionId again = room_->send(dialog, {.method = "INVITE",
                                                          .content_type = "application/sdp",
                                                          .body = focus_sdp(),
                                                          .contact_parameters = ";isfocus"});
    const sip::Message taken = phones_->final_at(*room_, again);
    EXPECT_EQ(taken.status(), 200);
    EXPECT_THAT(std::string(base::as_text(taken.body())), HasSubstr("a=record:on"));
    room_->acknowledge(dialog);

    // And throws us out.
    const sip::TransactionId bye = room_->send(dialog, {.method = "BYE"});
    EXPECT_EQ(phones_->final_at(*room_, bye).status(), 200);
    read_recording();
    ASSERT_EQ(recording_["streams"].size(), 1U) << recording_;  // we say nothing
    EXPECT_GT(recording_["streams"][0]["packets"], 0U);
    EXPECT_THAT(told_of("chloe"), ElementsAre("joined", "left"));  // with the call
}

// A focus by hand, which offers its chat later and connects itself.
TEST_F(Conference, AChatThatTheFocusOffersLaterIsRecorded) {
    begin();
    const auto file = (client_.scratch() / "attend.json").string();
    Process attending(
        {earshot_binary(), "attend", "start", room_->uri(), "--no-video", "--no-wait", "--identity",
         "sip:minutes@desk.example", "--data", client_.data().string(), "--json"},
        file, file + ".err");
    const auto invite = phones_->request_at(*room_, Method::Invite);
    const std::string offer{base::as_text(invite.message.body())};
    for (const char* line :
         {"m=message ", " TCP/MSRP *\r\n", "a=setup:active\r\n",
          "a=accept-types:message/cpim text/plain\r\n", "a=accept-wrapped-types:*\r\n",
          "a=chatroom:nickname private-messages\r\n"})
        EXPECT_THAT(offer, HasSubstr(line));
    // At each of its lines.
    EXPECT_NE(offer.find("a=record:on", offer.find("m=message")), std::string::npos) << offer;
    const sip::DialogId dialog = answer(invite, focus_sdp() + "m=message 0 TCP/MSRP *\r\n");
    take_subscription();
    EXPECT_EQ(notify_users(1, present("ben"), "full"), 200);
    expect_at_server("ben");
    EXPECT_EQ(attending.wait(), 0) << read_file(file + ".err");
    expect_logged("The conference has no chat");

    const std::string own = "msrp://127.0.0.1:9997/focus;tcp";
    const sip::TransactionId again =
        room_->send(dialog, {.method = "INVITE",
                             .content_type = "application/sdp",
                             .body = focus_sdp() + "m=message 9997 TCP/MSRP *\r\na=path:" + own +
                                     "\r\na=setup:active\r\na=accept-types:message/cpim\r\n",
                             .contact_parameters = ";isfocus"});
    const sip::Message taken = phones_->final_at(*room_, again);
    EXPECT_EQ(taken.status(), 200);
    room_->acknowledge(dialog);
    const std::string told{base::as_text(taken.body())};
    EXPECT_THAT(told, HasSubstr("a=setup:passive\r\n"));
    const auto path = msrp_path_of(told);
    ASSERT_TRUE(path.has_value()) << told;
    MsrpPeer chat(*path, own);
    chat.send({.transaction = "binds001", .message_id = "empty001", .type = {}});
    // The line for all goes out as soon as the session is there.
    EXPECT_THAT(chat.receive(), HasSubstr("This chat is recorded."));
    EXPECT_EQ(chat.status(), "200");
    const auto cpim = [&](const std::string& to, const std::string& text) {
        return "From: <sip:ben@desk.example>\r\nTo: <" + to +
               ">\r\n\r\nContent-Type: text/plain\r\n\r\n" + text;
    };
    chat.send({.message_id = "msg00001",
               .type = "message/cpim",
               .content = cpim(room_->uri(), "to all")});
    EXPECT_EQ(chat.status(), "200");
    chat.send({.message_id = "msg00002",
               .type = "message/cpim",
               .content = cpim("sip:minutes@desk.example", "to us")});
    EXPECT_EQ(chat.status(), "200");
    chat.send({.message_id = "msg00003",
               .range = "1-500/500",
               .type = "message/cpim",
               .content = cpim(room_->uri(), "and then"),
               .flag = '+'});
    EXPECT_EQ(chat.status(), "200");
    // What was under way when the focus goes is in the recording, as cut.
    const sip::TransactionId bye = room_->send(dialog, {.method = "BYE"});
    EXPECT_EQ(phones_->final_at(*room_, bye).status(), 200);
    read_recording();
    const Output out =
        server_.run({"export", recording_["id"].get<std::string>(), "--format", "chat", "-o", "-"});
    const json all = json::parse(out.out, nullptr, false);
    ASSERT_EQ(all["messages"].size(), 3U) << out.out << client_.log();
    EXPECT_EQ(all["messages"][0]["from"]["uri"], "sip:ben@desk.example");
    EXPECT_FALSE(all["messages"][0].value("private", false));
    EXPECT_TRUE(all["messages"][1].value("private", false)) << out.out;
    EXPECT_NE(all["messages"][2]["state"], "complete") << out.out;
}

TEST_F(Conference, AnAttendanceEndsByTheOperator) {
    begin();
    const auto file = (client_.scratch() / "attend.json").string();
    Process attending({earshot_binary(), "attend", "start", room_->uri(), "--no-wait", "--data",
                       client_.data().string(), "--json"},
                      file, file + ".err");
    const auto invite = phones_->request_at(*room_, Method::Invite);
    answer(invite);
    take_subscription();
    EXPECT_EQ(notify_users(1, present("ben"), "full"), 200);
    expect_at_server("ben");
    EXPECT_EQ(attending.wait(), 0) << read_file(file + ".err");
    const json begun = json::parse(read_file(file), nullptr, false);
    const auto end = (client_.scratch() / "end.txt").string();
    Process ending({earshot_binary(), "attend", "end", begun["id"].get<std::string>(), "--data",
                    client_.data().string()},
                   end, end);
    const auto bye = phones_->request_at(*room_, Method::Bye);
    room_->respond(bye.transaction, {.status = 200});
    EXPECT_EQ(ending.wait(), 0) << read_file(end);
    read_recording();
    EXPECT_EQ(recording_["state"], "complete") << recording_;
}

// By the roster: who is left alone leaves, but who was the first to come waits.
TEST_F(Conference, AnAttendanceEndsWhenAllOthersHaveLeft) {
    begin("attend_alone_s = 1\n");
    const auto file = (client_.scratch() / "attend.json").string();
    Process attending(
        {earshot_binary(), "attend", "start", room_->uri(), "--identity",
         "sip:minutes@desk.example", "--no-wait", "--no-video", "--data", client_.data().string()},
        file, file + ".err");
    answer(phones_->request_at(*room_, Method::Invite));
    take_subscription();
    EXPECT_EQ(notify_users(1, present("minutes"), "full"), 200);
    EXPECT_EQ(attending.wait(), 0) << read_file(file + ".err");
    // It is still there, whatever time that took: it has to be told of both.
    expect_told(2, present("ben"), "chloe");
    EXPECT_EQ(notify_users(3, user("ben", endpoint("ben", "disconnected"))), 200);
    expect_logged("sip:ben@desk.example");
    EXPECT_EQ(notify_users(4, user("chloe", endpoint("chloe", "disconnected"))), 200);
    const auto bye = phones_->request_at(*room_, Method::Bye);
    room_->respond(bye.transaction, {.status = 200});
    expect_logged("Everybody else has left the conference.");
    read_recording();
    EXPECT_EQ(recording_["state"], "complete") << recording_;
    EXPECT_THAT(told_of("chloe"), ElementsAre("joined", "left"));
}

TEST_F(Conference, IsNotAttendedTwiceUnlessThatIsMeant) {
    begin();
    const auto attend = [&](std::vector<std::string> more, const std::string& name) {
        std::vector<std::string> command{
            earshot_binary(), "attend",     "start",  room_->uri(),
            "--no-wait",      "--no-video", "--data", client_.data().string()};
        command.insert(command.end(), more.begin(), more.end());
        const auto file = (client_.scratch() / name).string();
        return std::make_unique<Process>(command, file, file + ".err");
    };
    const auto first = attend({}, "first");
    answer(phones_->request_at(*room_, Method::Invite));
    take_subscription();
    EXPECT_EQ(first->wait(), 0);
    const auto second = attend({}, "second");
    EXPECT_EQ(second->wait(), 5);
    EXPECT_THAT(read_file(client_.scratch() / "second.err"), HasSubstr("attended already, as 2"));
    // At another port there is another one.
    const std::string elsewhere = room_->uri().substr(0, room_->uri().rfind(':')) + ":1";
    EXPECT_THAT(client_.run({"attend", "start", elsewhere, "--no-wait"}).err,
                testing::Not(HasSubstr("attended already")));
    const auto again = attend({"--again"}, "again");
    answer(phones_->request_at(*room_, Method::Invite));
    EXPECT_EQ(again->wait(), 0) << read_file(client_.scratch() / "again.err");
    EXPECT_EQ(client_.calls().size(), 2U);
}

TEST_F(Conference, AHostThatDoesNotResolveIsNamed) {
    ScriptedDns dns;  // that knows nobody
    dns.start();
    begin("[sip]\ndns_servers = \"127.0.0.1:" + std::to_string(dns.port()) + "\"\n");
    const Output got = client_.run({"attend", "start", "sip:room@nowhere.invalid"});
    EXPECT_EQ(got.exit_code, 5) << got.err;
    EXPECT_THAT(got.err, HasSubstr("nowhere.invalid"));
    EXPECT_THAT(got.err, HasSubstr("No address is known"));
}

TEST_F(Conference, AnAttendanceThatIsRefusedSaysWhy) {
    begin();
    const auto file = (client_.scratch() / "attend.json").string();
    Process attending(
        {earshot_binary(), "attend", "start", room_->uri(), "--data", client_.data().string()},
        file, file + ".err");
    const auto invite = phones_->request_at(*room_, Method::Invite);
    room_->respond(invite.transaction, {.status = 403});
    EXPECT_NE(attending.wait(), 0);
    EXPECT_THAT(read_file(file + ".err"), HasSubstr("403"));
}

}  // namespace
}  // namespace earshot::integration
