"""Chat templates of the families, for models that are built in code and not loaded."""

_TEMPLATE = (
    "{{% for message in messages %}}<|im_start|>{{{{ message['role'] }}}}{after_role}"
    "{{% for part in message['content'] %}}"
    "{{% if part['type'] == 'video' %}}{video}"
    "{{% elif part['type'] == 'text' %}}{{{{ part['text'] }}}}"
    "{{% endif %}}{{% endfor %}}<|im_end|>{after_message}{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)

LLAVA_ONEVISION = _TEMPLATE.format(after_role=" ", video="<video>\n", after_message="")
QWEN_VL = _TEMPLATE.format(
    after_role="\n", video="<|vision_start|><|video_pad|><|vision_end|>", after_message="\n"
)
