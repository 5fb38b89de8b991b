// SPDX-License-Identifier: MIT
// echo_uv: an echo server with libuv, one thread. It writes at once, and waits only for the rest.
#include "server.hpp"

#include <uv.h>

#include <array>
#include <cstddef>

namespace {

struct connection {
    uv_tcp_t socket{};
    uv_write_t write{};
    std::array<char, field::largest_message> buffer;
};

void ended(uv_handle_t* handle) {
    delete static_cast<connection*>(handle->data);
}

void wants_buffer(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    auto& c = *static_cast<connection*>(handle->data);
    *buffer = uv_buf_init(c.buffer.data(), static_cast<unsigned>(c.buffer.size()));
}

void received(uv_stream_t* stream, ssize_t size, const uv_buf_t*);

void wrote_rest(uv_write_t* request, int) {
    uv_read_start(request->handle, &wants_buffer, &received);
}

void received(uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
    auto& c = *static_cast<connection*>(stream->data);
    if (size < 0) {
        uv_close(reinterpret_cast<uv_handle_t*>(stream), &ended);
        return;
    }
    if (size == 0) {
        return;
    }
    field::compute_if_heavy(c.buffer[0]);
    uv_buf_t answer = uv_buf_init(c.buffer.data(), static_cast<unsigned>(size));
    const int sent = uv_try_write(stream, &answer, 1);
    if (sent == size) {
        return;
    }
    const unsigned done = sent > 0 ? static_cast<unsigned>(sent) : 0;
    answer = uv_buf_init(c.buffer.data() + done, static_cast<unsigned>(size) - done);
    uv_read_stop(stream);
    uv_write(&c.write, stream, &answer, 1, &wrote_rest);
}

void accepts(uv_stream_t* listener, int) {
    auto* const c = new connection;
    c->socket.data = c;
    uv_tcp_init(listener->loop, &c->socket);
    auto* const stream = reinterpret_cast<uv_stream_t*>(&c->socket);
    field::must_be(uv_accept(listener, stream) == 0, "uv_accept");
    uv_tcp_nodelay(&c->socket, 1);
    uv_read_start(stream, &wants_buffer, &received);
}

} // namespace

int main() {
    uv_loop_t* const loop = uv_default_loop();
    uv_tcp_t listener{};
    uv_tcp_init(loop, &listener);
    sockaddr_in address{};
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&address), 0);
    field::must_be(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, &accepts) == 0,
                   "uv_listen");
    int size = sizeof address;
    uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&address), &size);
    field::serve_control(ntohs(address.sin_port));
    uv_run(loop, UV_RUN_DEFAULT);
}
