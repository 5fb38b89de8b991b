// SPDX-License-Identifier: MIT
// echo_uring <threads: 1> <spin: 0 or 1>: an echo server on one io_uring, used directly: everything
// that became ready is handled before the kernel is entered once for all of it.
#include "server.hpp"

#include <liburing.h>

#include <array>
#include <cstddef>

namespace {

/// Either receives or sends, never both.
struct connection {
    int fd;
    bool sending = false;
    std::size_t size = 0; // to send back, of which so much is sent:
    std::size_t sent = 0;
    std::array<char, field::largest_message> buffer;

    explicit connection(int socket) : fd(socket) {}
};

class server {
public:
    explicit server(bool spins) : spins_(spins) {
        io_uring_params params{};
        // Who spins looks at the completion queue in memory, and enters the kernel only when told.
        params.flags = IORING_SETUP_SINGLE_ISSUER |
                       (spins ? IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG
                              : IORING_SETUP_DEFER_TASKRUN);
        field::must_be(io_uring_queue_init_params(1024, &ring_, &params) == 0, "io_uring_setup");
        accept();
    }

    [[noreturn]] void run() {
        for (;;) {
            const int answer =
                spins_ ? io_uring_submit(&ring_) : io_uring_submit_and_wait(&ring_, 1);
            field::must_be(answer >= 0 || answer == -EINTR, "io_uring_enter");
            io_uring_cqe* completion = nullptr;
            if (spins_) {
                (void)io_uring_peek_cqe(&ring_, &completion);
            }
            unsigned head = 0;
            unsigned count = 0;
            io_uring_for_each_cqe(&ring_, head, completion) {
                ++count;
                handle(io_uring_cqe_get_data(completion), completion->res);
            }
            io_uring_cq_advance(&ring_, count);
        }
    }

    [[nodiscard]] std::uint16_t port() const { return listener_.port; }

private:
    io_uring_sqe* entry() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr) {
            io_uring_submit(&ring_);
            sqe = io_uring_get_sqe(&ring_);
        }
        return sqe;
    }

    void accept() {
        io_uring_sqe* const sqe = entry();
        io_uring_prep_accept(sqe, listener_.fd, nullptr, nullptr, SOCK_CLOEXEC);
        io_uring_sqe_set_data(sqe, nullptr);
    }

    void receive(connection* c) {
        io_uring_sqe* const sqe = entry();
        io_uring_prep_recv(sqe, c->fd, c->buffer.data(), c->buffer.size(), 0);
        io_uring_sqe_set_data(sqe, c);
        c->sending = false;
    }

    void send(connection* c) {
        io_uring_sqe* const sqe = entry();
        io_uring_prep_send(sqe, c->fd, c->buffer.data() + c->sent, c->size - c->sent, MSG_NOSIGNAL);
        io_uring_sqe_set_data(sqe, c);
        c->sending = true;
    }

    void handle(void* data, int answer) {
        if (data == nullptr) {
            field::must_be(answer >= 0, "accept");
            field::set_no_delay(answer);
            receive(new connection(answer));
            accept();
            return;
        }
        auto* const c = static_cast<connection*>(data);
        if (answer <= 0) {
            ::close(c->fd);
            delete c;
        } else if (!c->sending) {
            field::compute_if_heavy(c->buffer[0]);
            c->size = static_cast<std::size_t>(answer);
            c->sent = 0;
            send(c);
        } else if ((c->sent += static_cast<std::size_t>(answer)) < c->size) {
            send(c);
        } else {
            receive(c);
        }
    }

    bool spins_;
    field::plain_listener listener_;
    io_uring ring_{};
};

} // namespace

int main(int argc, char** argv) {
    server echo(field::argument(argc, argv, 2, 0) != 0);
    field::serve_control(echo.port());
    echo.run();
}
