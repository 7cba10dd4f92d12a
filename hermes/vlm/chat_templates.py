"""Chat templates of the families, for models that are made on the spot and not loaded."""

_TEMPLATE = (
    "{{% for message in messages %}}<|im_start|>{{{{ message['role'] }}}}{behind_role}"
    "{{% for part in message['content'] %}}"
    "{{% if part['type'] == 'video' %}}{video}"
    "{{% elif part['type'] == 'text' %}}{{{{ part['text'] }}}}"
    "{{% endif %}}{{% endfor %}}<|im_end|>{behind_message}{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)

LLAVA_ONEVISION = _TEMPLATE.format(behind_role=" ", video="<video>\n", behind_message="")
QWEN_VL = _TEMPLATE.format(
    behind_role="\n", video="<|vision_start|><|video_pad|><|vision_end|>", behind_message="\n"
)
