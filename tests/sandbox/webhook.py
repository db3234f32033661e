"""A webhook that writes down what it is sent, on loopback."""

from urllib.parse import parse_qsl

from tests.support.loopback import Answer, LoopbackServer, Request


class Webhook(LoopbackServer):
    """Answers every post with `status`, or not at all when that is None."""

    def __init__(self, status: int | None = 200) -> None:
        super().__init__()
        self.status = status
        self.posts: list[Request] = []

    def answer(self, request: Request) -> Answer | None:
        with self.changed:
            self.posts.append(request)
            self.changed.notify_all()
        return None if self.status is None else Answer(self.status)

    def after(self, posts: int, *, within: float = 5.0) -> list[Request]:
        """The first `posts` posts, waited for."""
        self.wait_until(lambda: len(self.posts) >= posts, within)
        assert len(self.posts) >= posts, f"{len(self.posts)} of {posts} posts arrived"
        return self.posts[:posts]


def form_of(post: Request) -> dict[str, str]:
    return dict(parse_qsl(post.body.decode(), keep_blank_values=True))
