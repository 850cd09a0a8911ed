"""What pages show below a command is what the command prints."""

import pytest

from . import outputs


@pytest.mark.parametrize("page", outputs.pages(), ids=lambda page: page.name)
def test_pages_show_what_commands_print(page):
    for command, shown, now in outputs.rerun(page):
        assert outputs.same(shown, now), f"{page.name} is out of date: python -m tests.docs.outputs\n{command}\n{now}"


@pytest.mark.parametrize(
    ("shown", "now", "equal"),
    [
        ("ssim  0.8193\n", "ssim 0.8194\n", True),
        ("ssim  0.8193\n", "ssim 0.7193\n", False),
        ("ssim  0.8193\n", "psnr 0.8193\n", False),
        ("ssim\n", "ssim psnr\n", False),
        ("x nan\n", "x 0.1\n", False),
    ],
)
def test_only_small_differences_of_numbers_pass(shown, now, equal):
    assert outputs.same(shown, now) == equal
