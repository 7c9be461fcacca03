def safe_markdown(text: str) -> str:
    return text.replace("<", "&lt;")


def safe_terminal(text: str) -> str:
    return text
